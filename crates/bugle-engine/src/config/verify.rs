//! Trying a destination out: a sample incident, sent at once and kept nowhere.

use bugle_model::{
    Actor, Attempt, Event, EventKind, Incident, IncidentStatus, IntegrationId, Severity, Timestamp,
    incident::AlertCounts,
    signal::{Labels, Link},
};

use super::ConfigError;
use crate::Engine;

impl Engine {
    /// Sends a sample of `incident.created` to a destination, whether it is enabled or not, and tells what came of it.
    /// It counts for nothing: not for the circuit, not for the order, not for retries.
    pub async fn verify_destination(&self, id: &str) -> Result<Attempt, ConfigError> {
        let (destination, _) = self.destination(id)?;
        let event = self.sample_event(self.clock().now());
        let attempt = self.dispatcher().try_out(&destination, event).await;
        attempt.map_err(|reason| ConfigError::invalid("dialect", reason))
    }

    pub(super) fn sample_event(&self, now: Timestamp) -> Event {
        let incident = Incident {
            id: self.ids().next(now),
            revision: 1,
            sequence: 1,
            status: IncidentStatus::Open,
            severity: Severity::Info,
            declared_severity: None,
            title: "Test from Bugle: this destination works".into(),
            description: Some("Somebody asked Bugle to verify this destination. Nothing is wrong.".into()),
            owner: None,
            tickets: Vec::new(),
            platform: "custom".into(),
            integration_id: IntegrationId::from_i64(0),
            grouping_key: "bugle:verify".into(),
            labels: Labels::from([("test".into(), "true".into())]),
            service: Some("bugle".into()),
            host: None,
            entity: None,
            links: self
                .public_url()
                .map(|url| Link { label: "bugle".into(), url: url.to_string() })
                .into_iter()
                .collect(),
            alerts: AlertCounts { total: 1, unresolved: [1, 0, 0, 0, 0] },
            verified: true,
            reopened_count: 0,
            opened_at: now,
            started_at: now,
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
            updated_at: now,
        };
        Event {
            id: self.ids().next(now),
            incident_id: incident.id,
            sequence: 1,
            kind: EventKind::Created,
            at: now,
            actor: Actor::Rule { name: "verify".into() },
            changes: Vec::new(),
            comment: None,
            alert_id: None,
            alert: None,
            incident,
        }
    }
}
