//! V2 extensions and V1 webhooks: a list of messages, each with its incident.
//!
//! V2 names events in the present tense (`incident.trigger`); Overwatch documents the list with V3's past tense.

use bugle_model::{Signal, SignalStatus};

use super::incident;
use crate::{
    json::Value,
    source::{DecodeError, Decoded},
};

/// Reads `{"messages": [...]}`.
pub(super) fn decode(document: &Value) -> Result<Decoded, DecodeError> {
    let messages = document["messages"].items();
    if messages.is_empty() {
        return Ok(Decoded::ignored("The call holds no messages."));
    }
    let signals: Vec<Signal> = messages.iter().filter_map(signal).collect();
    if signals.is_empty() {
        return Err(DecodeError::NotUnderstood(
            "none of the messages holds an incident with an id, neither in `incident` (V2) nor in `data.incident` (V1)"
                .into(),
        ));
    }
    let unread = messages.len() - signals.len();
    let remark = (unread > 0).then(|| format!("{unread} of {} messages hold no incident.", messages.len()));
    Ok(Decoded { signals, remark, ..Decoded::default() })
}

fn signal(message: &Value) -> Option<Signal> {
    let incident = message.get("incident").or_else(|| message.at("data.incident"))?;
    let event = message.text_at("event").or_else(|| message.text_at("type")).unwrap_or_default();
    let mut signal = incident::signal(incident)?;
    if signal.status_text.is_none() {
        let word = event.strip_prefix("incident.").unwrap_or_default();
        signal.status = incident::status(word).unwrap_or(SignalStatus::Updated);
        signal.status_text = Some(word.to_owned());
    }
    incident::place_in_time(&mut signal, incident, &event, incident::time(message, "created_on"));
    signal.source.owner = incident::owner(incident, None, &event);
    signal.source.comment = note(message, &event);
    signal.raw = message.to_raw();
    Some(signal)
}

/// What was written, for `incident.annotate`; V2 holds it in its log entry.
fn note(message: &Value, event: &str) -> Option<String> {
    if !event.starts_with("incident.annotate") {
        return None;
    }
    let entry = message.get("log_entries")?.items().first()?;
    entry.text_at("channel.summary").or_else(|| entry.text_at("channel.content"))
}
