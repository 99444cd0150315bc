//! The document that Bugle's own dialects write: the event, its incident and its alert, as the API shows them.

use bugle_model::{Alert, signal::cut};
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{Notice, RenderError};

/// Largest body, which Standard Webhooks asks senders to keep below 20 kB.
const BYTES_MAX: usize = 20_000;
/// Longest text kept of a document that is too large.
const SHORT_TEXT_BYTES: usize = 512;
/// Fields that are compared by receivers, and so are never cut.
const UNCUT: &[&str] = &["id", "fingerprint", "grouping_key", "url"];
/// What is left of an alert in a document that is too large in spite of everything.
const ALERT_ESSENTIALS: &[&str] =
    &["id", "integration_id", "fingerprint", "cycle", "status", "severity", "title"];

/// How a document is made smaller, the mildest first.
const SHORTENINGS: &[fn(&mut Data<'_>)] = &[drop_raw, cut_texts, drop_lists, keep_essentials];

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    event: Value,
    incident: Value,
    alert: Option<AlertView<'a>>,
    #[serde(skip_serializing_if = "is_false")]
    truncated: bool,
}

#[derive(Serialize)]
struct AlertView<'a> {
    #[serde(flatten)]
    fields: Map<String, Value>,
    /// Written as it was received, with exact numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a RawValue>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The document as compact JSON of at most 20 kB. Of one that would be larger, what the vendor sent goes first, then long
/// texts are cut, then lists go, and at last everything but what names the alert; `data.truncated` is then true.
pub(super) fn body(notice: &Notice<'_>, include_raw: bool) -> Result<Vec<u8>, RenderError> {
    let snapshot = notice.event.alert.as_deref();
    let raw = snapshot.and_then(|alert| alert.signal.raw.as_deref()).filter(|_| include_raw);
    let alert = match snapshot {
        Some(alert) => Some(AlertView { fields: alert_fields(alert)?, raw }),
        None => None,
    };
    let data = Data { event: event(notice)?, incident: incident(notice)?, alert, truncated: false };
    let mut document =
        Document { kind: notice.event.kind.as_str(), timestamp: notice.event.at.to_string(), data };
    let mut body = encode(&document)?;
    for shorten in SHORTENINGS {
        if body.len() < BYTES_MAX {
            break;
        }
        shorten(&mut document.data);
        document.data.truncated = true;
        body = encode(&document)?;
    }
    Ok(body)
}

/// The event: id, type, sequence, at, actor, changes, comment.
pub(super) fn event(notice: &Notice<'_>) -> Result<Value, RenderError> {
    let event = notice.event;
    Ok(json!({
        "id": to_value(event.id)?,
        "type": event.kind.as_str(),
        "sequence": event.sequence,
        "at": to_value(event.at)?,
        "actor": to_value(&event.actor)?,
        "changes": to_value(&event.changes)?,
        "comment": event.comment,
    }))
}

/// The incident as of the event, with its page in Bugle as `url`.
pub(super) fn incident(notice: &Notice<'_>) -> Result<Value, RenderError> {
    let mut incident = to_value(&notice.event.incident)?;
    if let Value::Object(fields) = &mut incident {
        fields.insert("url".into(), notice.incident_url.into());
    }
    Ok(incident)
}

/// The alert, its last signal's fields beside its own, without what the vendor sent.
pub(super) fn alert_fields(alert: &Alert) -> Result<Map<String, Value>, RenderError> {
    let mut signal = alert.signal.clone();
    signal.raw = None;
    let own = json!({
        "id": to_value(alert.id)?,
        "integration_id": to_value(alert.integration_id)?,
        "fingerprint": alert.fingerprint,
        "cycle": alert.cycle,
        "status": alert.status.as_str(),
        "severity": alert.severity.as_str(),
        "incident_id": to_value(alert.incident_id)?,
        "signals": alert.signals,
        "first_seen_at": to_value(alert.first_seen_at)?,
        "last_seen_at": to_value(alert.last_seen_at)?,
    });
    let (Value::Object(mut fields), Value::Object(told)) = (own, to_value(&signal)?) else {
        return Err(RenderError("the alert's snapshot is not an object".into()));
    };
    for (name, value) in told {
        fields.entry(name).or_insert(value);
    }
    Ok(fields)
}

fn to_value(value: impl Serialize) -> Result<Value, RenderError> {
    serde_json::to_value(value)
        .map_err(|error| RenderError(format!("the event cannot be written as JSON: {error}")))
}

fn encode(document: &Document<'_>) -> Result<Vec<u8>, RenderError> {
    serde_json::to_vec(document)
        .map_err(|error| RenderError(format!("the event cannot be written as JSON: {error}")))
}

fn drop_raw(data: &mut Data<'_>) {
    if let Some(alert) = &mut data.alert {
        alert.raw = None;
    }
}

fn cut_texts(data: &mut Data<'_>) {
    cut_within(&mut data.event);
    cut_within(&mut data.incident);
    for (_, value) in data.alert.iter_mut().flat_map(|alert| alert.fields.iter_mut()).filter(is_cuttable) {
        cut_within(value);
    }
}

fn cut_within(value: &mut Value) {
    match value {
        Value::String(text) => cut(text, SHORT_TEXT_BYTES),
        Value::Array(items) => items.iter_mut().for_each(cut_within),
        Value::Object(fields) => {
            fields.iter_mut().filter(is_cuttable).for_each(|(_, value)| cut_within(value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_cuttable((name, _): &(&String, &mut Value)) -> bool {
    !UNCUT.contains(&name.as_str())
}

fn drop_lists(data: &mut Data<'_>) {
    if let Some(alert) = &mut data.alert {
        for name in ["annotations", "correlations", "related", "measurements", "links"] {
            alert.fields.shift_remove(name);
        }
    }
    remove(&mut data.incident, &["links"]);
    remove(&mut data.event, &["changes"]);
}

fn keep_essentials(data: &mut Data<'_>) {
    if let Some(alert) = &mut data.alert {
        alert.fields.retain(|name, _| ALERT_ESSENTIALS.contains(&name.as_str()));
    }
    remove(&mut data.incident, &["description", "labels", "entity", "tickets"]);
}

fn remove(value: &mut Value, names: &[&str]) {
    if let Value::Object(fields) = value {
        for name in names {
            fields.shift_remove(*name);
        }
    }
}
