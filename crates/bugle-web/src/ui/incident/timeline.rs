//! What happened, newest first: each event says who or what did it, what it changed, and where the news of it went.

use std::collections::BTreeMap;

use bugle_model::{
    Actor, AlertId, Delivery, DeliveryState, DestinationId, Event, EventKind, IncidentStatus, IntegrationId,
    Severity, Timestamp, event::FieldChange,
};
use serde_json::Value;

use super::super::{
    destination::reason_words,
    excerpt::{Room, cut},
    format::{Ago, severity_label, status_label},
};

/// Longest comment that is shown; the JSON has all of it.
const COMMENT_BYTES_MAX: usize = 4_000;
/// Longest text on either side of a change.
const VALUE_BYTES_MAX: usize = 200;

/// One event.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) sequence: u32,
    pub(super) tone: &'static str,
    pub(super) what: String,
    /// Why it happened, where that is not plain.
    pub(super) why: &'static str,
    pub(super) by: By,
    pub(super) at: Ago,
    pub(super) alert: Option<(String, String)>,
    pub(super) changes: Vec<Changed>,
    pub(super) comment: Option<String>,
    pub(super) deliveries: Vec<Told>,
}

/// Who or what did it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct By {
    /// What stands before the name: `the API key `.
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) href: Option<String>,
    pub(super) receipt: Option<String>,
}

/// A field that changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) field: String,
    pub(super) from: String,
    pub(super) to: String,
}

/// A destination that was told of an event, or was not.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) tone: &'static str,
    pub(super) state: String,
    /// Whether the tone says it all: all is well.
    pub(super) is_plain: bool,
}

/// What sources and destinations are called.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) sources: BTreeMap<IntegrationId, String>,
    pub(super) destinations: BTreeMap<DestinationId, String>,
}

impl Names {
    /// A source's name and its page, unless it was deleted.
    pub(super) fn source(&self, id: IntegrationId) -> Option<(String, String)> {
        Some((cut(self.sources.get(&id)?, VALUE_BYTES_MAX), format!("/sources/{id}")))
    }
}

/// The events, given oldest first, as moments from the newest on. `alert_href` says where an alert of the incident is
/// shown, if anywhere.
pub(super) fn moments(
    events: &[Event],
    deliveries: &[Delivery],
    names: &Names,
    alert_href: &dyn Fn(AlertId) -> Option<String>,
    now: Timestamp,
) -> Vec<Moment> {
    let mut room = Room::of(16_000);
    let one = |event: &Event| Moment {
        sequence: event.sequence,
        tone: tone(event),
        what: what(event),
        why: why(event),
        by: by(&event.actor, names),
        at: Ago { at: event.at, now },
        alert: alert(event, alert_href),
        changes: event.changes.iter().map(changed).collect(),
        comment: event.comment.as_deref().map(|text| room.take(text, COMMENT_BYTES_MAX)),
        deliveries: deliveries
            .iter()
            .filter(|delivery| delivery.event_id == event.id)
            .map(|delivery| told(delivery, names))
            .collect(),
    };
    events.iter().rev().map(one).collect()
}

const fn tone(event: &Event) -> &'static str {
    match event.kind {
        EventKind::Created | EventKind::Reopened => "bad",
        EventKind::Resolved => "good",
        EventKind::Acknowledged | EventKind::StatusChanged | EventKind::SeverityDeclared => "warn",
        _ => "",
    }
}

fn what(event: &Event) -> String {
    let incident = &event.incident;
    match event.kind {
        EventKind::Created => "Opened".into(),
        EventKind::Updated => "Updated".into(),
        EventKind::Acknowledged => "Acknowledged".into(),
        EventKind::StatusChanged => format!("Now {}", status_label(incident.status).to_lowercase()),
        EventKind::OwnerChanged => match &incident.owner {
            Some(owner) => format!("Given to {}", cut(owner, VALUE_BYTES_MAX)),
            None => "Given back: nobody has it".into(),
        },
        EventKind::TicketAttached => "Ticket attached".into(),
        EventKind::SeverityDeclared => match incident.declared_severity {
            Some(severity) => format!("Declared {}", severity.as_str()),
            None => "Severity declared".into(),
        },
        EventKind::SeverityCleared => "Declared severity taken back".into(),
        EventKind::Commented => "Comment".into(),
        EventKind::Resolved => format!("Resolved: {}", status_label(incident.status).to_lowercase()),
        EventKind::Reopened => "Reopened".into(),
    }
}

/// Why a source's word led to this; what people do, they say why in a comment.
const fn why(event: &Event) -> &'static str {
    let is_over = event.incident.alerts.total > 1;
    match (&event.actor, event.kind) {
        (Actor::Source { .. }, EventKind::Created) => "the alert fired",
        (Actor::Source { .. }, EventKind::Reopened) => "it fires again",
        (Actor::Source { .. }, EventKind::Resolved) if is_over => "all its alerts are over at the source",
        (Actor::Source { .. }, EventKind::Resolved) => "the alert is over at the source",
        (Actor::Source { .. }, EventKind::Acknowledged) => "somebody has it at the source",
        _ => "",
    }
}

fn by(actor: &Actor, names: &Names) -> By {
    let called = |kind, name: &str| By { kind, name: cut(name, VALUE_BYTES_MAX), ..By::default() };
    match actor {
        Actor::Source { integration_id, receipt_id } => By {
            receipt: Some(format!("/receipts/{receipt_id}")),
            ..match names.source(*integration_id) {
                Some((name, page)) => By { name, href: Some(page), ..By::default() },
                None => called("", "a source that was deleted"),
            }
        },
        Actor::ApiKey { name, .. } => called("the API key ", name),
        Actor::User { email } => called("", email),
        Actor::Rule { name } => called("the rule ", name),
        Actor::Timeout => called("", "time that passed"),
    }
}

/// Who acknowledged it, where that is worth a line: a person or a key.
pub(super) fn person(actor: &Actor) -> Option<String> {
    match actor {
        Actor::User { email } => Some(email.clone()),
        Actor::ApiKey { name, .. } => Some(format!("the API key {name}")),
        Actor::Source { .. } => Some("somebody at the source".into()),
        Actor::Rule { .. } | Actor::Timeout => None,
    }
}

/// Where the alert that caused it is shown, and what it is called.
fn alert(event: &Event, href: &dyn Fn(AlertId) -> Option<String>) -> Option<(String, String)> {
    let alert = event.alert.as_deref()?;
    Some((href(alert.id)?, cut(&super::alerts::title(alert, &event.incident), VALUE_BYTES_MAX)))
}

fn changed(change: &FieldChange) -> Changed {
    let field = match change.field.as_str() {
        "alerts.firing" => "Firing alerts".to_owned(),
        "declared_severity" => "Declared".to_owned(),
        "tickets" => "Tickets".to_owned(),
        other => capitalised(&other.replace(['_', '.'], " ")),
    };
    let shown = |value: &Value| cut(&value_words(&change.field, value), VALUE_BYTES_MAX);
    Changed { from: shown(&change.from), to: shown(&change.to), field: cut(&field, VALUE_BYTES_MAX) }
}

fn value_words(field: &str, value: &Value) -> String {
    match (field, value) {
        ("owner", Value::Null) => "nobody".into(),
        (_, Value::Null) => "none".into(),
        (_, Value::Array(items)) if items.is_empty() => "none".into(),
        ("tickets", Value::Array(items)) => {
            let keys = items.iter().filter_map(|ticket| ticket.get("key")?.as_str());
            keys.collect::<Vec<_>>().join(", ")
        }
        ("status", Value::String(word)) => {
            let known = IncidentStatus::ALL.into_iter().find(|status| status.as_str() == word);
            known.map_or_else(|| word.clone(), |status| status_label(status).to_owned())
        }
        ("severity", Value::String(word)) => {
            let known = Severity::ALL.into_iter().find(|severity| severity.as_str() == word);
            known.map_or_else(|| word.clone(), |severity| severity_label(severity).to_owned())
        }
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn told(delivery: &Delivery, names: &Names) -> Told {
    let reason = delivery
        .reason
        .as_deref()
        .map_or(String::new(), |reason| format!(": {}", cut(&reason_words(reason), 80)));
    let (tone, state) = match delivery.state {
        DeliveryState::Delivered => ("good", "delivered".into()),
        DeliveryState::Pending if delivery.attempts == 0 => ("quiet", "on its way".into()),
        DeliveryState::Pending => ("warn", format!("tries again{reason}")),
        DeliveryState::Blocked => ("quiet", "waits for the one before".into()),
        DeliveryState::Dead => ("bad", format!("given up{reason}")),
        DeliveryState::Skipped => ("quiet", "not for this destination".into()),
    };
    let name = names.destinations.get(&delivery.destination_id);
    Told {
        href: format!("/deliveries/{}", delivery.id),
        name: name.map_or_else(|| "a destination that was deleted".into(), |name| cut(name, 80)),
        tone,
        state,
        is_plain: delivery.state == DeliveryState::Delivered,
    }
}

#[cfg(test)]
mod tests {
    use bugle_model::{ApiKeyId, ReceiptId};
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_told_in_words() {
        for (field, from, to, expected) in [
            ("status", json!("open"), json!("work_in_progress"), ("Status", "Open", "In progress")),
            ("severity", json!("low"), json!("critical"), ("Severity", "Low", "Critical")),
            ("owner", json!(null), json!("ada@example.com"), ("Owner", "nobody", "ada@example.com")),
            ("declared_severity", json!("SEV-1"), json!(null), ("Declared", "SEV-1", "none")),
            ("alerts.firing", json!(1), json!(2), ("Firing alerts", "1", "2")),
            ("tickets", json!([]), json!([{"key": "A-1"}, {"key": "A-2"}]), ("Tickets", "none", "A-1, A-2")),
            ("a_new_one", json!("fixed"), json!({"a": 1}), ("A new one", "fixed", "{\"a\":1}")),
        ] {
            let found = changed(&FieldChange { field: field.into(), from, to });
            assert_eq!((found.field.as_str(), found.from.as_str(), found.to.as_str()), expected);
        }
    }

    #[test]
    fn who_did_it_is_told() {
        let known = IntegrationId::from_i64(1);
        let names = Names { sources: BTreeMap::from([(known, "Prometheus".to_owned())]), ..Names::default() };
        let source = |id| Actor::Source { integration_id: id, receipt_id: ReceiptId::from_i64(7) };
        for (actor, expected, is_linked) in [
            (source(known), "Prometheus", true),
            (source(IntegrationId::from_i64(2)), "a source that was deleted", false),
            (Actor::ApiKey { id: ApiKeyId::from_i64(1), name: "ci".into() }, "the API key ci", false),
            (Actor::User { email: "ada@example.com".into() }, "ada@example.com", false),
            (Actor::Rule { name: "night".into() }, "the rule night", false),
            (Actor::Timeout, "time that passed", false),
        ] {
            let found = by(&actor, &names);
            assert_eq!(format!("{}{}", found.kind, found.name), expected);
            assert_eq!(found.href.is_some(), is_linked, "{expected}");
            assert_eq!(found.receipt.is_some(), matches!(actor, Actor::Source { .. }), "{expected}");
        }
    }
}
