//! For tests of platforms that go both ways: the event that the engine makes of a source's signals.

use std::collections::BTreeMap;

use bugle_model::{
    Actor, Alert, AlertStatus, Event, EventKind, Incident, IncidentStatus, Severity, Signal, Timestamp,
    alert,
    id::{AlertId, EventId, IncidentId, IntegrationId},
    incident::AlertCounts,
};
use serde_json::{Map, Value};

use crate::{
    Decoded, Dialect, Inbound, Notice, Outbound, Source,
    dialect::{Stamp, Wishes},
};

/// When the engine hears of things.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
/// The page of an incident.
pub(crate) const INCIDENT_URL: &str = "https://bugle.example.net/incidents/inc_1";

/// The signals of one alert laid over one another.
pub(crate) fn alert(signals: Vec<Signal>) -> Alert {
    let integration = IntegrationId::from_i64(7);
    let mut known = None;
    for signal in signals {
        let (mut folded, _) =
            alert::fold(known.take(), signal.bounded(), integration, Severity::Medium, NOW, || {
                AlertId::from_i64(41)
            });
        folded.incident_id = Some(IncidentId::from_i64(42));
        known = Some(folded);
    }
    known.expect("there are signals")
}

/// The incident that this alert alone makes.
pub(crate) fn incident(platform: &str, alert: &Alert) -> Incident {
    let signal = &alert.signal;
    let resolved = alert.status == AlertStatus::Resolved;
    let group = signal.grouping_key.as_ref().unwrap_or(&alert.fingerprint);
    let mut counts = AlertCounts { total: 1, ..AlertCounts::default() };
    if !resolved {
        counts.add(alert.severity);
    }
    Incident {
        id: IncidentId::from_i64(42),
        revision: 1,
        sequence: 1,
        status: match alert.status {
            AlertStatus::Firing => IncidentStatus::Open,
            AlertStatus::Acknowledged => IncidentStatus::Acknowledged,
            AlertStatus::Resolved => IncidentStatus::Fixed,
        },
        severity: alert.severity,
        declared_severity: None,
        title: signal.title.clone(),
        description: signal.description.clone(),
        owner: None,
        tickets: Vec::new(),
        platform: platform.into(),
        integration_id: alert.integration_id,
        grouping_key: format!("{}:{group}", alert.integration_id),
        labels: signal.labels.clone(),
        service: signal.service.clone(),
        host: signal.host.clone(),
        entity: signal.entity.clone(),
        links: signal.links.clone(),
        alerts: counts,
        verified: true,
        reopened_count: 0,
        opened_at: NOW,
        started_at: signal.started_at.unwrap_or(NOW),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: resolved.then_some(NOW),
        updated_at: NOW,
    }
}

/// What happened, with the alert or without.
pub(crate) fn event(kind: EventKind, sequence: u32, incident: Incident, alert: Option<Alert>) -> Event {
    Event {
        id: EventId::from_i64(100 + i64::from(sequence)),
        incident_id: incident.id,
        sequence,
        kind,
        at: NOW,
        actor: Actor::Timeout,
        changes: Vec::new(),
        comment: None,
        alert_id: alert.as_ref().map(|alert| alert.id),
        alert: alert.map(Box::new),
        incident: Incident { sequence, ..incident },
    }
}

/// How a dialect writes it. Two attempts must be the same.
pub(crate) fn render(dialect: &dyn Dialect, event: &Event, settings: &Value) -> Option<Outbound> {
    let (headers, settings) = (BTreeMap::new(), object(settings));
    let wishes = Wishes { template: None, headers: &headers, settings: &settings, secret: Some("a-secret") };
    assert_eq!(dialect.check(&wishes), Ok(()));
    let notice = Notice { event, incident_url: Some(INCIDENT_URL), documents: None };
    let rendered = dialect.render(&notice, &wishes).expect("it renders");
    assert_eq!(rendered, dialect.render(&notice, &wishes).expect("it renders again"));
    rendered
}

/// The body that a dialect writes.
pub(crate) fn body(dialect: &dyn Dialect, event: &Event, settings: &Value) -> Value {
    let outbound = render(dialect, event, settings).expect("the dialect has a word for it");
    serde_json::from_slice(&outbound.body).expect("it is JSON")
}

/// What a source reads.
pub(crate) fn read(source: &dyn Source, body: &[u8]) -> Decoded {
    source.decode(&Inbound { query: "", headers: &[], body }, &Map::new()).expect("it is understood")
}

/// The headers that a dialect's signature adds.
pub(crate) fn signed(dialect: &dyn Dialect, body: &[u8], settings: &Value) -> Vec<(String, String)> {
    let stamp = Stamp { id: "evt", at: NOW };
    let scheme = dialect.scheme(&object(settings)).expect("it signs");
    scheme.sign(&["a-secret"], &stamp, body).expect("the secret fits").headers
}

fn object(settings: &Value) -> Map<String, Value> {
    settings.as_object().cloned().unwrap_or_default()
}
