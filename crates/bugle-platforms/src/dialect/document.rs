//! The document that Bugle's own dialects write: the event, its incident and its alert, as the API shows them.

use bugle_model::{
    Actor, Alert, EventId, Incident, Timestamp,
    event::FieldChange,
    signal::{Raw, cut},
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Notice, RenderError};

mod alert;

use alert::AlertView;

/// Largest body, which Standard Webhooks asks senders to keep below 20 kB.
const BYTES_MAX: usize = 20_000;
/// Room for a usual body, so that writing it does not grow it step by step.
const BYTES_USUAL: usize = 4_096;
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
struct Document<'a, D> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: &'a D,
}

/// What is told when all of it fits, which it nearly always does: written straight from the event.
#[derive(Serialize)]
struct Whole<'a> {
    event: EventView<'a>,
    incident: IncidentView<'a>,
    alert: Option<AlertView<'a>>,
}

/// The event: what it was and who did it.
#[derive(Serialize)]
struct EventView<'a> {
    id: EventId,
    #[serde(rename = "type")]
    kind: &'static str,
    sequence: u32,
    at: Timestamp,
    actor: &'a Actor,
    changes: &'a [FieldChange],
    comment: Option<&'a str>,
}

/// The incident as of the event, with its page in Bugle as `url`.
#[derive(Serialize)]
struct IncidentView<'a> {
    #[serde(flatten)]
    incident: &'a Incident,
    url: Option<&'a str>,
}

/// The same in a form that can be shortened.
#[derive(Serialize)]
struct Data<'a> {
    event: Value,
    incident: Value,
    alert: Option<Shortened<'a>>,
    truncated: bool,
}

#[derive(Serialize)]
struct Shortened<'a> {
    #[serde(flatten)]
    fields: Map<String, Value>,
    /// Written as it was received, with exact numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a Raw>,
}

/// The document as compact JSON of at most 20 kB. Of one that would be larger, what the vendor sent goes first, then long
/// texts are cut, then lists go, and at last everything but what names the alert; `data.truncated` is then true.
pub(super) fn body(notice: &Notice<'_>, include_raw: bool) -> Result<Vec<u8>, RenderError> {
    let Some(documents) = notice.documents else { return write(notice, include_raw) };
    let place = documents.place(include_raw);
    if let Some(body) = place.get() {
        return Ok(body.clone());
    }
    let body = write(notice, include_raw)?;
    // Somebody else may have written the same meanwhile.
    place.set(body.clone()).ok();
    Ok(body)
}

fn write(notice: &Notice<'_>, include_raw: bool) -> Result<Vec<u8>, RenderError> {
    let alert = notice.event.alert.as_deref();
    let raw = alert.and_then(|alert| alert.signal.raw.as_ref()).filter(|_| include_raw);
    let whole = Whole {
        event: event_view(notice),
        incident: incident_view(notice),
        alert: alert.map(|alert| AlertView::of(alert, raw)),
    };
    let body = encode(notice, &whole)?;
    if body.len() < BYTES_MAX {
        return Ok(body);
    }
    let alert = match alert {
        Some(alert) => Some(Shortened { fields: alert_fields(alert)?, raw }),
        None => None,
    };
    let mut data = Data { event: event(notice)?, incident: incident(notice)?, alert, truncated: true };
    let mut body = body;
    for shorten in SHORTENINGS {
        shorten(&mut data);
        body = encode(notice, &data)?;
        if body.len() < BYTES_MAX {
            break;
        }
    }
    Ok(body)
}

/// The event: id, type, sequence, at, actor, changes, comment.
pub(super) fn event(notice: &Notice<'_>) -> Result<Value, RenderError> {
    to_value(event_view(notice))
}

fn event_view<'a>(notice: &Notice<'a>) -> EventView<'a> {
    let event = notice.event;
    EventView {
        id: event.id,
        kind: event.kind.as_str(),
        sequence: event.sequence,
        at: event.at,
        actor: &event.actor,
        changes: &event.changes,
        comment: event.comment.as_deref(),
    }
}

/// The incident as of the event, with its page in Bugle as `url`.
pub(super) fn incident(notice: &Notice<'_>) -> Result<Value, RenderError> {
    to_value(incident_view(notice))
}

fn incident_view<'a>(notice: &Notice<'a>) -> IncidentView<'a> {
    IncidentView { incident: &notice.event.incident, url: notice.incident_url }
}

/// The alert, its last signal's fields beside its own, without what the vendor sent.
pub(super) fn alert_fields(alert: &Alert) -> Result<Map<String, Value>, RenderError> {
    match to_value(AlertView::of(alert, None))? {
        Value::Object(fields) => Ok(fields),
        _ => Err(RenderError("the alert's snapshot is not an object".into())),
    }
}

fn to_value(value: impl Serialize) -> Result<Value, RenderError> {
    serde_json::to_value(value)
        .map_err(|error| RenderError(format!("the event cannot be written as JSON: {error}")))
}

fn encode(notice: &Notice<'_>, data: &impl Serialize) -> Result<Vec<u8>, RenderError> {
    let (kind, timestamp) = (notice.event.kind.as_str(), notice.event.at.to_string());
    let mut body = Vec::with_capacity(BYTES_USUAL);
    serde_json::to_writer(&mut body, &Document { kind, timestamp, data })
        .map_err(|error| RenderError(format!("the event cannot be written as JSON: {error}")))?;
    Ok(body)
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
