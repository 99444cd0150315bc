//! An incident as Metaplane writes one.
//!
//! One that came from Metaplane keeps its id and page, and its monitors as they came: `affectedMonitors` holds the one that
//! caused the event, and none for what a person did. Of others the incident is its one monitor, with these defaults:
//! `monitor.type` is `CUSTOM`, `entityType` `alert`, `group` `null`, `connections` none.
//! Metaplane has no severity, no status between opened and resolved, and no tickets: labels say them.

use bugle_model::{
    Alert, AlertStatus, Event, EventKind, Incident, IncidentStatus, Timestamp,
    signal::{Entity, Labels},
};
use serde_json::{Map, Value, json};

use super::{SLUG, TITLE, idempotency_id};
use crate::{
    credentials,
    dialect::{Dialect, Notice, Outbound, RenderError, Wishes, vendor},
    invented, json as exact,
    scheme::{Hmac, Scheme},
    source::Setting,
};

/// Writes incidents as Metaplane does.
#[derive(Debug, Clone, Copy)]
pub struct MetaplaneDialect;

/// The setting that names the header of the signature, and its default.
const SIGNATURE_HEADER: Setting = Setting {
    name: "signature_header",
    choices: &[],
    doc: "The header that carries the body's HMAC-SHA256 in hexadecimal, when there is a secret. `X-Metaplane-Signature` by \
          default: Metaplane does not publish its own.",
};
const SIGNATURE_HEADER_DEFAULT: &str = "X-Metaplane-Signature";

/// Where Bugle is, when nobody said.
const PUBLIC_URL_DEFAULT: &str = "http://localhost:8000";

impl Dialect for MetaplaneDialect {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn settings(&self) -> &'static [Setting] {
        &[SIGNATURE_HEADER]
    }

    fn check(&self, wishes: &Wishes<'_>) -> Result<(), String> {
        credentials::check_header(wishes.settings, &SIGNATURE_HEADER, SIGNATURE_HEADER_DEFAULT)?;
        let header = signature_header(wishes.settings);
        vendor::check(self, wishes, if wishes.secret.is_some() { std::slice::from_ref(&header) } else { &[] })
    }

    /// Metaplane has no word for owners and comments.
    fn render(&self, notice: &Notice<'_>, wishes: &Wishes<'_>) -> Result<Option<Outbound>, RenderError> {
        if matches!(notice.event.kind, EventKind::OwnerChanged | EventKind::Commented) {
            return Ok(None);
        }
        vendor::request(document(notice).to_string().into_bytes(), notice, wishes).map(Some)
    }

    fn scheme(&self, settings: &Map<String, Value>) -> Option<Scheme> {
        let header = signature_header(settings).to_owned();
        Some(Scheme::Hmac(Hmac::sha256_hex(SIGNATURE_HEADER_DEFAULT, "").in_header(header)))
    }
}

fn signature_header(settings: &Map<String, Value>) -> &str {
    let named = settings.get(SIGNATURE_HEADER.name).and_then(Value::as_str).map(str::trim);
    named.unwrap_or(SIGNATURE_HEADER_DEFAULT)
}

fn document(notice: &Notice<'_>) -> Value {
    let (event, incident) = (notice.event, &notice.event.incident);
    let id = own_id(incident).map_or_else(|| incident.id.as_i64().to_string(), str::to_owned);
    let updated_at = updated_at(event);
    json!({
        "id": id,
        "createdAt": incident.started_at.min(incident.opened_at),
        "updatedAt": updated_at,
        "idempotencyId": idempotency_id(&id, updated_at),
        "status": if incident.is_resolved() { "resolved" } else { "opened" },
        "acknowledged": false,
        "acknowledgedAt": null,
        "incidentUrl": page(notice),
        "labels": labels(incident),
        "affectedMonitors": affected_monitors(event),
    })
}

/// Its id at Metaplane, when it came from there as the whole that it is there.
fn own_id(incident: &Incident) -> Option<&str> {
    vendor::own_key(incident, SLUG).filter(|key| !key.contains('/'))
}

/// When the event happened, and a millisecond later for each event before it: one call may make several events in one
/// millisecond, and equal times would be equal idempotency ids.
fn updated_at(event: &Event) -> Timestamp {
    let before = u64::from(event.sequence.saturating_sub(1));
    event.at.plus(std::time::Duration::from_millis(before))
}

/// Its page at Metaplane, else in Bugle.
fn page(notice: &Notice<'_>) -> String {
    let incident = &notice.event.incident;
    let first = incident.links.first().map(|link| link.url.as_str());
    let own = own_id(incident).and(first);
    let found = own.or(notice.incident_url).or(first);
    found.map_or_else(|| format!("{PUBLIC_URL_DEFAULT}/incidents/{}", incident.id), str::to_owned)
}

/// What Metaplane has no fields for.
fn labels(incident: &Incident) -> Vec<Value> {
    let label = |kind: &str, key: &str, name: String| json!({"id": format!("{kind}:{key}"), "name": name});
    let severity = incident.severity.as_str();
    let mut labels = vec![label("severity", severity, format!("severity: {severity}"))];
    labels.extend(
        incident
            .declared_severity
            .map(|declared| label("declared_severity", declared.as_str(), declared.as_str().to_owned())),
    );
    let status = incident.status.as_str();
    if incident.status != IncidentStatus::Open {
        labels.push(label("status", status, status.to_owned()));
    }
    labels.extend(
        incident
            .tickets
            .iter()
            .map(|ticket| label("ticket", &format!("{}:{}", ticket.system, ticket.key), ticket.key.clone())),
    );
    labels
}

/// What the incident affects: of Metaplane's own the monitor that caused the event, and of others' the incident as one
/// monitor, always the same, so that what people do closes what an alert has opened.
fn affected_monitors(event: &Event) -> Vec<Value> {
    let (alert, incident) = (event.alert.as_deref(), &event.incident);
    if incident.platform != SLUG {
        return vec![monitor(incident, alert)];
    }
    let Some(alert) = alert else { return Vec::new() };
    let Some(Value::Object(mut members)) = own_monitor(alert) else { return Vec::new() };
    let linked_at = alert.signal.started_at.unwrap_or(alert.first_seen_at);
    members.insert("linkedAt".into(), json!(linked_at));
    members.insert("resolvedAt".into(), json!(ended_at(alert).map(|at| at.max(linked_at))));
    vec![Value::Object(members)]
}

/// When the alert ended, if it did.
fn ended_at(alert: &Alert) -> Option<Timestamp> {
    (alert.status == AlertStatus::Resolved).then(|| alert.signal.ended_at.unwrap_or(alert.last_seen_at))
}

/// The monitor as Metaplane told of it.
fn own_monitor(alert: &Alert) -> Option<Value> {
    let raw = exact::parse(alert.signal.raw.as_ref()?.get().as_bytes()).ok()?;
    let mut affected = raw.get("affectedMonitors")?.items().first()?.to_serde();
    let members = affected.as_object_mut()?;
    for (name, default) in [("group", Value::Null), ("connections", json!([]))] {
        members.entry(name).or_insert(default);
    }
    Some(affected)
}

/// When it ended may be by another clock than when it began: never before.
fn monitor(incident: &Incident, alert: Option<&Alert>) -> Value {
    let entity = entity(incident);
    let measurements = alert.map_or(&[][..], |alert| &alert.signal.measurements);
    let group = measurements.iter().map(|measured| &measured.group).find(|group| !group.is_empty());
    let linked_at = incident.started_at;
    let resolved_at = incident.resolved_at.map(|at| alert.and_then(ended_at).unwrap_or(at).max(linked_at));
    json!({
        "id": incident.id.as_i64().to_string(),
        "monitor": {
            "id": invented::uuid("metaplane monitor", &incident.grouping_key),
            "type": "CUSTOM",
            "name": incident.title,
            "entityType": entity.kind,
            "absolutePath": entity.path.unwrap_or(entity.name),
        },
        "linkedAt": linked_at,
        "resolvedAt": resolved_at,
        "group": group.map(pairs),
        "connections": [],
    })
}

fn entity(incident: &Incident) -> Entity {
    let named = |kind: &str, name: &String| Entity { kind: kind.into(), name: name.clone(), path: None };
    let service = || incident.service.as_ref().map(|name| named("service", name));
    let host = || incident.host.as_ref().map(|name| named("host", name));
    incident.entity.clone().or_else(service).or_else(host).unwrap_or_else(|| named("alert", &incident.title))
}

fn pairs(group: &Labels) -> Vec<Value> {
    group.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}
