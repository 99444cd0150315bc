//! What one receipt says about one alert, in Bugle's own words, with the vendor's words beside them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    incident::{DeclaredSeverity, IncidentStatus, Ticket},
    limits,
    time::Timestamp,
};

mod bounded;

pub use crate::severity::Severity;
pub use bounded::cut;

/// Label or annotation names and values, sorted by name.
pub type Labels = BTreeMap<String, String>;

/// What the source says of the alert's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalStatus {
    /// The problem exists.
    #[default]
    Firing,
    /// The problem exists and somebody at the source said they have it.
    Acknowledged,
    /// Something about it changed; whether it fires is as it was.
    Updated,
    /// The problem is over.
    Resolved,
}

/// A field that a source may leave out, clear, or set: absent, `null` and a value are three things.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Patch<T> {
    /// Not mentioned.
    #[default]
    Unchanged,
    /// Said to be none.
    Cleared,
    /// Said to be this.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether the source did not mention it.
    pub fn is_unchanged(&self) -> bool {
        matches!(self, Self::Unchanged)
    }

    /// This where it is mentioned, else the earlier one.
    fn or(self, earlier: Self) -> Self {
        if self.is_unchanged() { earlier } else { self }
    }
}

impl<T: PartialEq> Patch<T> {
    /// This where it is mentioned and was not said already.
    fn since(self, earlier: &Self) -> Self {
        if self == *earlier { Self::Unchanged } else { self }
    }
}

/// What the alert is about, where the source knows (a table, a host, a monitor).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Entity {
    /// `table`, `host`, `service`, ... in the vendor's word.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its short name.
    pub name: String,
    /// Its full path, such as `DB.SCHEMA.table`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A page to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What the page is: `alert`, `runbook`, `dashboard`, `graph`, `silence`, `snapshot`, ...
    pub label: String,
    /// Its address, http or https.
    pub url: String,
}

/// A number that was measured, and what it was compared with. Numbers keep their exact text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measurement {
    /// The metric's name.
    pub metric: String,
    /// What it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How it was compared, in the vendor's word: `>`, `GT`, `above`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// What it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<String>,
    /// What was expected, where the source learns that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The group the measurement belongs to (`customer_id=1`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub group: Labels,
}

/// Another metric that moved together with this one. Numbers keep their exact text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlation {
    /// The other metric.
    pub metric: String,
    /// How strongly, -1 to 1.
    pub coefficient: String,
    /// By how many samples it is shifted.
    pub shifted: String,
    /// How strongly once shifted.
    pub shifted_coefficient: String,
}

/// Another anomaly or match that the source thinks belongs to this one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Related {
    /// The source's id of it; always text.
    pub id: String,
    /// `anomaly` or `match`, or the vendor's word.
    pub kind: String,
    /// Its metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// What else the source said of it, as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: Labels,
}

/// What the source says of the alert's handling on its own side.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceFacts {
    /// Who has it at the source.
    #[serde(default, skip_serializing_if = "Patch::is_unchanged")]
    pub owner: Patch<String>,
    /// Tickets opened for it at the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<Ticket>,
    /// The status that a person set at the source; `Cleared` means no status.
    #[serde(default, skip_serializing_if = "Patch::is_unchanged")]
    pub feedback: Patch<IncidentStatus>,
    /// The incident severity that a person declared at the source.
    #[serde(default, skip_serializing_if = "Patch::is_unchanged")]
    pub declared_severity: Patch<DeclaredSeverity>,
    /// Something a person wrote at the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl SourceFacts {
    /// These laid over earlier ones: what they do not mention stays as it was said before. A comment is said once.
    #[must_use]
    pub fn over(self, earlier: Self) -> Self {
        Self {
            owner: self.owner.or(earlier.owner),
            tickets: if self.tickets.is_empty() { earlier.tickets } else { self.tickets },
            feedback: self.feedback.or(earlier.feedback),
            declared_severity: self.declared_severity.or(earlier.declared_severity),
            comment: self.comment,
        }
    }

    /// What of these is news after `earlier`. Some sources repeat all they know in every call; what a person has decided
    /// here since must not be undone by that.
    #[must_use]
    pub fn since(self, earlier: &Self) -> Self {
        Self {
            owner: self.owner.since(&earlier.owner),
            tickets: self.tickets,
            feedback: self.feedback.since(&earlier.feedback),
            declared_severity: self.declared_severity.since(&earlier.declared_severity),
            comment: self.comment,
        }
    }
}

/// What a vendor sent: JSON that is kept as it was written. Nobody looks at it before it is written into other JSON, where
/// what is none becomes `null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(Box<str>);

impl Raw {
    /// `text` is JSON.
    pub fn new(text: String) -> Self {
        Self(text.into_boxed_str())
    }

    /// Its text.
    pub const fn get(&self) -> &str {
        &self.0
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).ok().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw.into()))
    }
}

/// What one receipt says about one alert.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Signal {
    /// Names the alert within its integration, the same from its first signal to its last.
    pub fingerprint: String,
    /// The normalised status.
    pub status: SignalStatus,
    /// The vendor's own word for it, verbatim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_text: Option<String>,
    /// The normalised severity; `None` where the source did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The vendor's own word for it, verbatim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity_text: Option<String>,
    /// One line for a person.
    pub title: String,
    /// More lines for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What identifies it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    /// What explains it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Labels,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<Entity>,
    /// The service it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The host it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Pages to open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// When this episode began, by the source's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When this episode ended, by the source's clock. Only with `Resolved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When the source saw what this signal says. Tells late signals from new ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
    /// What was measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<Measurement>,
    /// What moved together with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub correlations: Vec<Correlation>,
    /// What else the source thinks belongs to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// Alerts of one integration with the same key are handled as one incident; `None` means the fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grouping_key: Option<String>,
    /// What happened to it at the source.
    pub source: SourceFacts,
    /// Whether the source sent only what changed. Labels, annotations and measurements are then laid over the earlier ones
    /// name by name, and the title is a makeshift that counts only where there was none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Whether the source says with this that the alert came to be, which it says once in the alert's life. Where nothing says
    /// when, it tells a creation that comes late from an alert that fires again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub creation: bool,
    /// What the vendor sent for this alert, as it was sent: unknown fields and exact numbers included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
}

impl Signal {
    /// This signal laid over an earlier one of the same alert: what it does not say stays as it was said before.
    #[must_use]
    pub fn over(self, earlier: Self) -> Self {
        if self.partial {
            return self.completed(earlier);
        }
        Self {
            fingerprint: self.fingerprint,
            status: self.status,
            status_text: self.status_text.or(earlier.status_text),
            severity: self.severity.or(earlier.severity),
            severity_text: self.severity_text.or(earlier.severity_text),
            title: if self.title.is_empty() { earlier.title } else { self.title },
            description: self.description.or(earlier.description),
            labels: if self.labels.is_empty() { earlier.labels } else { self.labels },
            annotations: if self.annotations.is_empty() { earlier.annotations } else { self.annotations },
            entity: self.entity.or(earlier.entity),
            service: self.service.or(earlier.service),
            host: self.host.or(earlier.host),
            links: if self.links.is_empty() { earlier.links } else { self.links },
            started_at: self.started_at.or(earlier.started_at),
            ended_at: self.ended_at,
            observed_at: self.observed_at.max(earlier.observed_at),
            measurements: if self.measurements.is_empty() { earlier.measurements } else { self.measurements },
            correlations: if self.correlations.is_empty() { earlier.correlations } else { self.correlations },
            related: if self.related.is_empty() { earlier.related } else { self.related },
            grouping_key: self.grouping_key.or(earlier.grouping_key),
            source: self.source.over(earlier.source),
            partial: false,
            creation: false,
            raw: self.raw.or(earlier.raw),
        }
    }

    /// As [`over`](Self::over), for a signal that says only what changed.
    fn completed(mut self, mut earlier: Self) -> Self {
        let partial = earlier.partial;
        if !earlier.title.is_empty() {
            self.title = std::mem::take(&mut earlier.title);
        }
        self.labels = union(self.labels, &mut earlier.labels);
        self.annotations = union(self.annotations, &mut earlier.annotations);
        self.measurements = measurements_over(self.measurements, std::mem::take(&mut earlier.measurements));
        Self { partial: false, ..self }.over(earlier).still_partial(partial)
    }

    fn still_partial(self, partial: bool) -> Self {
        Self { partial, ..self }
    }
}

/// The earlier names and values with the new ones over them.
fn union(new: Labels, earlier: &mut Labels) -> Labels {
    let mut all = std::mem::take(earlier);
    all.extend(new);
    while all.len() > limits::LABELS_MAX {
        all.pop_last();
    }
    all
}

/// The earlier measurements with the new ones over those of the same metric; one that names no metric is of the first.
fn measurements_over(new: Vec<Measurement>, earlier: Vec<Measurement>) -> Vec<Measurement> {
    let mut all = earlier;
    for measurement in new {
        let has_room = all.len() < limits::LABELS_MAX;
        let unnamed = measurement.metric.is_empty();
        let known = all.iter_mut().find(|known| unnamed || known.metric == measurement.metric);
        match known {
            Some(known) => measurement.lay_over(known),
            None if has_room => all.push(measurement),
            None => {}
        }
    }
    all
}

impl Measurement {
    /// Changes `earlier` where this says anything.
    fn lay_over(self, earlier: &mut Self) {
        for (new, known) in [
            (self.value, &mut earlier.value),
            (self.operator, &mut earlier.operator),
            (self.threshold, &mut earlier.threshold),
            (self.expected, &mut earlier.expected),
        ] {
            if new.is_some() {
                *known = new;
            }
        }
        earlier.group.extend(self.group);
    }
}

#[cfg(test)]
mod tests;
