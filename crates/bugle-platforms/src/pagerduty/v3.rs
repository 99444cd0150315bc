//! V3 webhook subscriptions: one event in a call, about an incident or about something that belongs to one.

use bugle_model::{
    Signal, SignalStatus,
    signal::{Labels, Link},
};

use super::incident;
use crate::{
    json::Value,
    source::{DecodeError, Decoded},
};

/// Reads `{"event": {...}}`.
pub(super) fn decode(document: &Value) -> Result<Decoded, DecodeError> {
    let event = &document["event"];
    let event_type = event.text_at("event_type").unwrap_or_default();
    if event_type == "pagey.ping" {
        return Ok(Decoded::ignored("PagerDuty's test event: the subscription works."));
    }
    let data = &event["data"];
    let signal = if is_incident(event, data) {
        about_incident(event, data, &event_type)
    } else if data["incident"].is_object() {
        about_part_of_incident(event, data, &event_type)
    } else if event_type.starts_with("incident.") {
        return Err(DecodeError::NotUnderstood(format!(
            "the event `{event_type}` names no incident, neither in `data` nor in `data.incident`"
        )));
    } else {
        let what = if event_type.is_empty() { "An event without a type" } else { &event_type };
        return Ok(Decoded::ignored(format!("{what} is about no incident.")));
    };
    let mut signal = signal.ok_or_else(|| {
        DecodeError::NotUnderstood(format!("the incident in the event `{event_type}` has no id"))
    })?;
    signal.raw = event.to_raw();
    Ok(Decoded::signals(vec![signal]))
}

fn is_incident(event: &Value, data: &Value) -> bool {
    match data.text_at("type").as_deref() {
        Some("incident" | "incident_reference") => true,
        Some(_) => false,
        None => event.text_at("resource_type").as_deref() == Some("incident") && data.get("status").is_some(),
    }
}

/// The incident's own status says more than the event's name: a change of priority may find it acknowledged.
fn about_incident(event: &Value, data: &Value, event_type: &str) -> Option<Signal> {
    let mut signal = incident::signal(data)?;
    if signal.status_text.is_none() {
        let word = event_type.strip_prefix("incident.").unwrap_or_default();
        signal.status = incident::status(word).unwrap_or(SignalStatus::Updated);
        signal.status_text = Some(word.to_owned());
    }
    incident::place_in_time(&mut signal, data, event_type, incident::time(event, "occurred_at"));
    signal.source.owner = incident::owner(data, agent(event), event_type);
    Some(signal)
}

/// A note, a responder, a task, ...: the incident is only referred to, so nothing is known of its status.
fn about_part_of_incident(event: &Value, data: &Value, event_type: &str) -> Option<Signal> {
    let reference = &data["incident"];
    let mut signal = Signal {
        fingerprint: reference.text_at("id")?,
        status: SignalStatus::Updated,
        status_text: Some(event_type.to_owned()),
        title: reference.text_at("summary").map(without_number).unwrap_or_default(),
        links: reference
            .text_at("html_url")
            .map(|url| Link { label: "alert".into(), url })
            .into_iter()
            .collect(),
        observed_at: incident::time(event, "occurred_at"),
        ..Signal::default()
    };
    signal.source.comment = comment(event, data);
    signal.annotations = told(data);
    Some(signal)
}

/// A reference calls the incident `[#4711] Title` or `Title`.
fn without_number(summary: String) -> String {
    match summary.strip_prefix("[#").and_then(|rest| rest.split_once("] ")) {
        Some((_, title)) => title.to_owned(),
        None => summary,
    }
}

/// What a person wrote: a note, or a status update.
fn comment(event: &Value, data: &Value) -> Option<String> {
    let text = data.text_at("content").or_else(|| data.text_at("message"))?;
    Some(match agent(event) {
        Some(author) => format!("{author}: {text}"),
        None => text,
    })
}

/// What a part of an incident says in plain words, for what has no field of its own.
fn told(data: &Value) -> Labels {
    let mut told: Labels = [
        ("responder", incident::name(&data["user"]).or_else(|| incident::name(&data["escalation_policy"]))),
        ("responder_state", data.text_at("state")),
        ("role", data.text_at("role.name").or_else(|| data.text_at("role.summary"))),
        ("task", data.text_at("summary").or_else(|| data.text_at("name"))),
        ("workflow", data.text_at("incident_workflow.summary")),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect();
    for field in data.get("custom_fields").map(Value::items).unwrap_or_default() {
        let value = field.get("value").filter(|value| !value.is_null());
        if let (Some(name), Some(value)) = (field.text_at("name"), value) {
            let value = value.text().map_or_else(|| value.to_string(), str::to_owned);
            told.insert(name, value);
        }
    }
    told
}

/// The person who caused the event; services and integrations cause events too, and own nothing.
fn agent(event: &Value) -> Option<String> {
    let agent = &event["agent"];
    let is_person = agent.text_at("type").is_some_and(|kind| kind.starts_with("user"));
    if is_person { agent.text_at("summary") } else { None }
}
