//! How things stand, for who looks first: what is open, what comes in and goes out, and how each source and each destination
//! does. Its cost does not grow with what is stored.

use bugle_model::{Circuit, DestinationId, Incident, IncidentStatus, IntegrationId, Severity, Timestamp};
use bugle_platforms::bugle::SLUG;
use bugle_store::{IncidentFilter, PageRequest, StoreError};
use serde::Serialize;

use crate::{
    Engine,
    activity::{Calls, Deliveries, Heardings},
};

/// The span that rates are of, in minutes.
const LATELY: std::time::Duration = std::time::Duration::from_hours(1);
/// Open incidents that are told.
const WORST_MAX: u32 = 12;
/// Incidents of Bugle's own that are told.
const OWN_MAX: u32 = 8;

/// How things stand.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// When.
    pub at: Timestamp,
    /// Since when calls of sources and attempts at destinations are counted: an hour ago, or the start of the process.
    pub counted_since: Timestamp,
    /// How many incidents there are of each status and severity.
    pub incidents: Vec<Tally>,
    /// Incidents that nobody has taken: the worst first, and of those the newest. At most 12.
    pub worst_open: Vec<Incident>,
    /// Unresolved incidents that Bugle raised about itself, newest first. At most 8.
    pub own: Vec<Incident>,
    /// Calls of the last day, by platform.
    pub calls: Vec<Calls>,
    /// Each source.
    pub sources: Vec<SourceState>,
    /// Each destination.
    pub destinations: Vec<DestinationState>,
}

/// How many incidents there are of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Their status.
    pub status: IncidentStatus,
    /// Their severity.
    pub severity: Severity,
    /// How many.
    pub count: u64,
}

/// How a source does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceState {
    /// The integration.
    pub id: IntegrationId,
    /// What a person calls it.
    pub name: String,
    /// Its platform's slug.
    pub platform: String,
    /// Whether it takes calls.
    pub enabled: bool,
    /// What came from it.
    #[serde(flatten)]
    pub heard: Heardings,
}

/// How a destination does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DestinationState {
    /// The destination.
    pub id: DestinationId,
    /// What a person calls it.
    pub name: String,
    /// How events are written for it.
    pub dialect: String,
    /// Whether anything is sent to it.
    pub enabled: bool,
    /// Why not.
    pub disabled_reason: Option<String>,
    /// Its circuit.
    pub circuit_state: Circuit,
    /// Deliveries that are not settled.
    pub waiting: u64,
    /// When the oldest of them was made.
    pub oldest_waiting_since: Option<Timestamp>,
    /// What came of attempts.
    #[serde(flatten)]
    pub sent: Deliveries,
}

impl Engine {
    /// How things stand now.
    pub async fn overview(&self) -> Result<Overview, StoreError> {
        let now = self.clock().now();
        let own = IncidentFilter {
            statuses: IncidentStatus::ALL.into_iter().filter(|status| !status.is_resolved()).collect(),
            platform: Some(SLUG.to_owned()),
            ..IncidentFilter::default()
        };
        let own = self.store().incidents(own, PageRequest { cursor: None, limit: OWN_MAX }).await?.data;
        let counts = self.store().incident_counts().await?;
        let tally = |one: bugle_store::IncidentCount| Tally {
            status: one.status,
            severity: one.severity,
            count: one.count,
        };
        Ok(Overview {
            at: now,
            counted_since: now.minus(LATELY).max(self.opened_at()),
            incidents: counts.into_iter().map(tally).collect(),
            worst_open: self.store().worst_open(WORST_MAX).await?,
            own,
            calls: self.activity().calls(now),
            sources: self.source_states(now),
            destinations: self.destination_states(now).await?,
        })
    }

    /// What was heard of one source lately.
    pub fn heard_of(&self, source: IntegrationId) -> Heardings {
        self.activity().of_source(source, self.clock().now())
    }

    /// What came of the attempts at one destination lately.
    pub fn sent_to(&self, destination: DestinationId) -> Deliveries {
        self.activity().of_destination(destination, self.clock().now())
    }

    fn source_states(&self, now: Timestamp) -> Vec<SourceState> {
        let integrations = self.integrations().into_iter();
        let state = |one: std::sync::Arc<bugle_model::Integration>| SourceState {
            id: one.id,
            name: one.name.clone(),
            platform: one.platform.clone(),
            enabled: one.enabled,
            heard: self.activity().of_source(one.id, now),
        };
        integrations.map(state).collect()
    }

    async fn destination_states(&self, now: Timestamp) -> Result<Vec<DestinationState>, StoreError> {
        let backlogs = self.store().backlog().await?;
        let states = self.destinations().into_iter().map(|(one, circuit)| {
            let backlog = backlogs.iter().find(|backlog| backlog.destination_id == one.id);
            DestinationState {
                id: one.id,
                name: one.name.clone(),
                dialect: one.dialect.clone(),
                enabled: one.enabled,
                disabled_reason: one.disabled_reason.clone(),
                circuit_state: circuit,
                waiting: backlog.map_or(0, |backlog| backlog.unsettled),
                oldest_waiting_since: backlog.and_then(|backlog| backlog.oldest),
                sent: self.activity().of_destination(one.id, now),
            }
        });
        Ok(states.collect())
    }
}
