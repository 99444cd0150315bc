//! One or more alerts handled together. The rules of how it changes are in [`crate::lifecycle`].

use serde::{Deserialize, Serialize};

use crate::{
    event::Actor,
    id::{IncidentId, IntegrationId},
    signal::{Entity, Labels, Link, Severity},
    time::Timestamp,
};

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// Nobody has said they have it.
    #[default]
    Open,
    /// Somebody investigates.
    Acknowledged,
    /// Somebody is mending it.
    WorkInProgress,
    /// Over: mended, or gone at the source.
    Fixed,
    /// Over: it was meant to happen.
    Expected,
    /// Over: nothing to do.
    NoActionNeeded,
    /// Over: it never was a problem.
    FalsePositive,
}

impl IncidentStatus {
    /// All, the unresolved ones first.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Acknowledged,
        Self::WorkInProgress,
        Self::Fixed,
        Self::Expected,
        Self::NoActionNeeded,
        Self::FalsePositive,
    ];

    /// Whether it is one of the four resolutions.
    pub const fn is_resolved(self) -> bool {
        matches!(self, Self::Fixed | Self::Expected | Self::NoActionNeeded | Self::FalsePositive)
    }

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::WorkInProgress => "work_in_progress",
            Self::Fixed => "fixed",
            Self::Expected => "expected",
            Self::NoActionNeeded => "no_action_needed",
            Self::FalsePositive => "false_positive",
        }
    }
}

/// The severity that a person declared an incident to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DeclaredSeverity {
    /// The worst.
    #[serde(rename = "SEV-1")]
    Sev1,
    /// Bad.
    #[serde(rename = "SEV-2")]
    Sev2,
    /// Not so bad.
    #[serde(rename = "SEV-3")]
    Sev3,
    /// Hardly one.
    #[serde(rename = "SEV-4")]
    Sev4,
}

impl DeclaredSeverity {
    /// All, worst first.
    pub const ALL: [Self; 4] = [Self::Sev1, Self::Sev2, Self::Sev3, Self::Sev4];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sev1 => "SEV-1",
            Self::Sev2 => "SEV-2",
            Self::Sev3 => "SEV-3",
            Self::Sev4 => "SEV-4",
        }
    }
}

/// A ticket in another system.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// `jira`, `servicenow`, ...
    pub system: String,
    /// Its key there.
    pub key: String,
    /// Its page.
    pub url: String,
}

/// How many alerts of an incident there are, and how bad those that are not over are. Kept as counts so that an
/// incident of ten thousand alerts costs what one of one alert does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "WrittenCounts", from = "WrittenCounts")]
pub struct AlertCounts {
    /// All alerts that ever joined.
    pub total: u32,
    /// Those that are not over, of each severity, in the order of [`Severity`] from `info` to `critical`.
    pub unresolved: [u32; 5],
}

/// The counts as the API and the store have them.
#[derive(Serialize, Deserialize)]
struct WrittenCounts {
    total: u32,
    firing: u32,
    by_severity: CountsBySeverity,
}

#[derive(Serialize, Deserialize)]
struct CountsBySeverity {
    critical: u32,
    high: u32,
    medium: u32,
    low: u32,
    info: u32,
}

impl From<AlertCounts> for WrittenCounts {
    fn from(counts: AlertCounts) -> Self {
        let [info, low, medium, high, critical] = counts.unresolved;
        let by_severity = CountsBySeverity { critical, high, medium, low, info };
        Self { total: counts.total, firing: counts.firing(), by_severity }
    }
}

impl From<WrittenCounts> for AlertCounts {
    fn from(written: WrittenCounts) -> Self {
        let CountsBySeverity { critical, high, medium, low, info } = written.by_severity;
        Self { total: written.total, unresolved: [info, low, medium, high, critical] }
    }
}

impl AlertCounts {
    /// Alerts that are not over.
    pub fn firing(&self) -> u32 {
        self.unresolved.iter().sum()
    }

    /// The worst severity among the alerts that are not over.
    pub fn worst(&self) -> Option<Severity> {
        Severity::ALL
            .into_iter()
            .find(|severity| self.unresolved.get(*severity as usize).is_some_and(|n| *n > 0))
    }

    /// An alert that is not over joins, or fires again.
    pub fn add(&mut self, severity: Severity) {
        if let Some(count) = self.unresolved.get_mut(severity as usize) {
            *count += 1;
        }
    }

    /// An alert is over, or changes its severity.
    pub fn remove(&mut self, severity: Severity) {
        if let Some(count) = self.unresolved.get_mut(severity as usize) {
            *count = count.saturating_sub(1);
        }
    }
}

/// One or more alerts handled together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Names it.
    pub id: IncidentId,
    /// Grows with every change; the store refuses a change made from an older one.
    pub revision: u32,
    /// The sequence number of its latest event.
    pub sequence: u32,
    /// Where it stands.
    pub status: IncidentStatus,
    /// The worst severity of its alerts; once they are over, what it was.
    pub severity: Severity,
    /// What a person declared.
    pub declared_severity: Option<DeclaredSeverity>,
    /// One line for a person.
    pub title: String,
    /// More lines, from the alert that opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who has it: an e-mail address.
    pub owner: Option<String>,
    /// Tickets in other systems.
    #[serde(default)]
    pub tickets: Vec<Ticket>,
    /// The slug of the platform whose alert opened it.
    pub platform: String,
    /// The integration whose alert opened it.
    pub integration_id: IntegrationId,
    /// What makes alerts belong to it. At most one unresolved incident has the same.
    pub grouping_key: String,
    /// The labels that all its alerts share.
    #[serde(default)]
    pub labels: Labels,
    /// The service of the alert that opened it.
    pub service: Option<String>,
    /// The host of the alert that opened it.
    pub host: Option<String>,
    /// What the alert that opened it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<Entity>,
    /// Pages of the alert that opened it.
    #[serde(default)]
    pub links: Vec<Link>,
    /// Its alerts, counted.
    pub alerts: AlertCounts,
    /// Whether every signal in it came from a proven sender.
    pub verified: bool,
    /// How often it was reopened.
    pub reopened_count: u32,
    /// When it was opened here.
    pub opened_at: Timestamp,
    /// When the problem began, by the source's clock where it says so.
    pub started_at: Timestamp,
    /// When it was acknowledged, and by whom.
    pub acknowledged_at: Option<Timestamp>,
    /// Who acknowledged it.
    #[serde(default)]
    pub acknowledged_by: Option<Actor>,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Incident {
    /// Whether it is over.
    pub const fn is_resolved(&self) -> bool {
        self.status.is_resolved()
    }
}
