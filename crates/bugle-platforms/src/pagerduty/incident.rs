//! What the incident in a call says, whichever version of the webhook carries it.

use bugle_model::{
    Severity, Signal, SignalStatus, Timestamp,
    signal::{Entity, Labels, Link, Patch},
};

use crate::json::{self, Value};

/// The incident as a signal. Times of the event are for the caller to add with [`place_in_time`].
pub(super) fn signal(incident: &Value) -> Option<Signal> {
    let fingerprint = incident.text_at("id").or_else(|| incident.text_at("incident_key"))?;
    let status_text = incident.text_at("status");
    let (severity, severity_text) = severity(incident);
    let service = name(&incident["service"]);
    Some(Signal {
        fingerprint,
        status: status_text.as_deref().and_then(status).unwrap_or(SignalStatus::Updated),
        status_text,
        severity,
        severity_text,
        title: incident
            .text_at("title")
            .or_else(|| incident.text_at("trigger_summary_data.subject"))
            .or_else(|| incident.text_at("trigger_summary_data.description"))
            .or_else(|| incident.text_at("summary"))
            .unwrap_or_default(),
        description: incident
            .text_at("description")
            .filter(|text| Some(text.as_str()) != incident.text_at("title").as_deref()),
        labels: labels(incident),
        annotations: annotations(incident),
        entity: service.as_ref().map(|name| Entity {
            kind: "service".into(),
            name: name.clone(),
            path: incident.text_at("service.id"),
        }),
        service,
        links: links(incident),
        started_at: time(incident, "reopened_at")
            .or_else(|| time(incident, "created_at"))
            .or_else(|| time(incident, "created_on")),
        raw: incident.to_raw(),
        ..Signal::default()
    })
}

/// Says when the event was seen, and so when the incident ended or, where it tells of a reopening without saying when,
/// began anew.
pub(super) fn place_in_time(signal: &mut Signal, incident: &Value, event: &str, seen_at: Option<Timestamp>) {
    signal.observed_at = seen_at.or_else(|| time(incident, "last_status_change_at"));
    if signal.status == SignalStatus::Resolved {
        signal.ended_at = time(incident, "resolved_at").or(signal.observed_at);
    }
    if event == "incident.reopened" && time(incident, "reopened_at").is_none() {
        signal.started_at = signal.observed_at.or(signal.started_at);
    }
}

/// Who has the incident, where the event is about that.
pub(super) fn owner(incident: &Value, agent: Option<String>, event: &str) -> Patch<String> {
    let assignee = || {
        let users = incident.get("assignees").map(Value::items).unwrap_or_default();
        let assignments = incident.get("assignments").map(Value::items).unwrap_or_default();
        users.first().and_then(name).or_else(|| name(&assignments.first()?["assignee"]))
    };
    match event {
        "incident.acknowledged" | "incident.acknowledge" => agent.or_else(assignee),
        "incident.reassigned" | "incident.assign" | "incident.delegated" | "incident.delegate" => assignee(),
        "incident.unacknowledged" | "incident.unacknowledge" => return Patch::Cleared,
        _ => None,
    }
    .map_or(Patch::Unchanged, Patch::Set)
}

/// A reference's name for people, else its id.
pub(super) fn name(reference: &Value) -> Option<String> {
    ["summary", "name", "id"].iter().find_map(|field| reference.text_at(field))
}

pub(super) fn time(value: &Value, field: &str) -> Option<Timestamp> {
    json::rfc3339_or_epoch(value.get(field)?)
}

/// The status of an incident, or the tail of an event's name, in either tense.
pub(super) fn status(word: &str) -> Option<SignalStatus> {
    match word {
        "triggered" | "trigger" | "unacknowledged" | "unacknowledge" | "reopened" => {
            Some(SignalStatus::Firing)
        }
        "acknowledged" | "acknowledge" => Some(SignalStatus::Acknowledged),
        "resolved" | "resolve" => Some(SignalStatus::Resolved),
        _ => None,
    }
}

/// The priority where the account uses priorities under names that say how bad they are; else the urgency.
fn severity(incident: &Value) -> (Option<Severity>, Option<String>) {
    let stated = name(&incident["priority"])
        .into_iter()
        .chain(incident.text_at("urgency"))
        .find_map(|word| Severity::from_common_word(&word).map(|severity| (severity, word)));
    stated.unzip()
}

fn labels(incident: &Value) -> Labels {
    let mut labels = Labels::new();
    let mut add = |label: &str, value: Option<String>| {
        labels.extend(value.map(|value| (label.to_owned(), value)));
    };
    add("service", name(&incident["service"]));
    add("escalation_policy", name(&incident["escalation_policy"]));
    add("team", names(incident.get("teams")));
    add("urgency", incident.text_at("urgency"));
    add("incident_key", incident.text_at("incident_key"));
    add("incident_type", incident.text_at("incident_type.name"));
    labels
}

fn annotations(incident: &Value) -> Labels {
    let mut annotations = Labels::new();
    let mut add = |label: &str, value: Option<String>| {
        annotations.extend(value.map(|value| (label.to_owned(), value)));
    };
    add("number", incident.text_at("number").or_else(|| incident.text_at("incident_number")));
    add("assignees", names(incident.get("assignees")));
    let merged = &incident["resolve_reason"];
    add("resolve_reason", merged.text_at("type").or_else(|| merged.as_str().map(str::to_owned)));
    add("merged_into", name(&merged["incident"]));
    annotations
}

fn names(references: Option<&Value>) -> Option<String> {
    let names: Vec<String> = references?.items().iter().filter_map(name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn links(incident: &Value) -> Vec<Link> {
    let bridge = &incident["conference_bridge"];
    [
        ("alert", incident.text_at("html_url")),
        ("conference", bridge.text_at("conference_url")),
        ("merged_into", incident.text_at("resolve_reason.incident.html_url")),
    ]
    .into_iter()
    .filter_map(|(label, url)| Some(Link { label: label.into(), url: url? }))
    .collect()
}
