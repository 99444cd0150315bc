//! Every transition of an incident, in one table: a pure function of the incident, the action, who acts and when.
//!
//! | action | open, acknowledged, work_in_progress | resolved |
//! |---|---|---|
//! | acknowledge | `acknowledged` from open; else nothing | refused: reopen it first |
//! | set status (unresolved) | `acknowledged` or `status_changed` | `reopened`, with that status |
//! | set status (resolution), resolve | `resolved` | `status_changed` to another resolution; the same: nothing |
//! | own, ticket, declare, clear, comment | their events; what is already so: nothing | the same |
//! | reopen | nothing | `reopened`, open |
//!
//! An action that changes nothing makes no event, so each is idempotent. Comments alone are never the same twice.

use serde_json::Value;

use crate::{
    event::{Actor, EventKind, FieldChange},
    incident::{DeclaredSeverity, Incident, IncidentStatus, Ticket},
    time::Timestamp,
};

/// What a person, a rule or a source does to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Say that somebody has it.
    Acknowledge,
    /// Give it a status.
    SetStatus(IncidentStatus),
    /// Give it an owner, or take the owner away.
    SetOwner(Option<String>),
    /// Note a ticket in another system.
    AttachTicket(Ticket),
    /// Declare how bad it is.
    DeclareSeverity(DeclaredSeverity),
    /// Take that back.
    ClearSeverity,
    /// End it.
    Resolve {
        /// One of the four resolutions.
        resolution: IncidentStatus,
        /// Why.
        comment: Option<String>,
    },
    /// Write something on its timeline.
    Comment(String),
    /// Say that it is not over after all.
    Reopen,
}

/// What an action led to: one event's worth of change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The event it makes.
    pub kind: EventKind,
    /// The fields it changed.
    pub changes: Vec<FieldChange>,
    /// What was said with it.
    pub comment: Option<String>,
}

/// The action makes no sense for the incident as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is over, and the action is for one that is not.
    #[error("the incident is resolved: reopen it first")]
    Resolved,
    /// The status is not one of the four resolutions.
    #[error("a resolution is one of fixed, expected, no_action_needed, false_positive")]
    NotAResolution,
    /// A comment must say something.
    #[error("the comment is empty")]
    EmptyComment,
}

/// Applies `action` to `incident`. `Ok(None)` when it already is as asked.
pub fn apply(
    incident: &mut Incident,
    action: Action,
    actor: &Actor,
    at: Timestamp,
) -> Result<Option<Change>, Refusal> {
    match action {
        Action::Acknowledge if incident.is_resolved() => Err(Refusal::Resolved),
        Action::Acknowledge if incident.status != IncidentStatus::Open => Ok(None),
        Action::Acknowledge => Ok(set_status(incident, IncidentStatus::Acknowledged, None, actor, at)),
        Action::SetStatus(status) => Ok(set_status(incident, status, None, actor, at)),
        Action::Resolve { resolution, .. } if !resolution.is_resolved() => Err(Refusal::NotAResolution),
        Action::Resolve { resolution, comment } => Ok(set_status(incident, resolution, comment, actor, at)),
        Action::Reopen if !incident.is_resolved() => Ok(None),
        Action::Reopen => Ok(set_status(incident, IncidentStatus::Open, None, actor, at)),
        Action::SetOwner(owner) => {
            let change = field("owner", &incident.owner, &owner);
            incident.owner = owner;
            Ok(one(EventKind::OwnerChanged, change))
        }
        Action::AttachTicket(ticket) => Ok(attach(incident, ticket)),
        Action::DeclareSeverity(severity) => {
            Ok(declare(incident, Some(severity), EventKind::SeverityDeclared))
        }
        Action::ClearSeverity => Ok(declare(incident, None, EventKind::SeverityCleared)),
        Action::Comment(text) if text.trim().is_empty() => Err(Refusal::EmptyComment),
        Action::Comment(text) => {
            Ok(Some(Change { kind: EventKind::Commented, changes: Vec::new(), comment: Some(text) }))
        }
    }
}

fn set_status(
    incident: &mut Incident,
    to: IncidentStatus,
    comment: Option<String>,
    actor: &Actor,
    at: Timestamp,
) -> Option<Change> {
    let from = incident.status;
    let change = field("status", &from, &to)?;
    let kind = match (from.is_resolved(), to.is_resolved()) {
        (false, true) => EventKind::Resolved,
        (true, false) => EventKind::Reopened,
        (false, false) if to == IncidentStatus::Acknowledged => EventKind::Acknowledged,
        _ => EventKind::StatusChanged,
    };
    incident.status = to;
    match kind {
        EventKind::Resolved => incident.resolved_at = Some(at),
        EventKind::Reopened => {
            incident.resolved_at = None;
            incident.reopened_count += 1;
        }
        _ => {}
    }
    if to == IncidentStatus::Open {
        incident.acknowledged_at = None;
        incident.acknowledged_by = None;
    } else if !to.is_resolved() && incident.acknowledged_at.is_none() {
        incident.acknowledged_at = Some(at);
        incident.acknowledged_by = Some(actor.clone());
    }
    Some(Change { kind, changes: vec![change], comment })
}

fn attach(incident: &mut Incident, ticket: Ticket) -> Option<Change> {
    if incident.tickets.contains(&ticket) {
        return None;
    }
    let before = incident.tickets.clone();
    incident.tickets.retain(|known| (&known.system, &known.key) != (&ticket.system, &ticket.key));
    incident.tickets.push(ticket);
    one(EventKind::TicketAttached, field("tickets", &before, &incident.tickets))
}

fn declare(incident: &mut Incident, to: Option<DeclaredSeverity>, kind: EventKind) -> Option<Change> {
    let change = field("declared_severity", &incident.declared_severity, &to);
    incident.declared_severity = to;
    one(kind, change)
}

fn one(kind: EventKind, change: Option<FieldChange>) -> Option<Change> {
    change.map(|change| Change { kind, changes: vec![change], comment: None })
}

/// The change of one field; `None` when it stays as it is.
pub fn field<T: serde::Serialize + PartialEq>(name: &str, from: &T, to: &T) -> Option<FieldChange> {
    let text = |value: &T| serde_json::to_value(value).unwrap_or(Value::Null);
    (from != to).then(|| FieldChange { field: name.to_owned(), from: text(from), to: text(to) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{IncidentId, IntegrationId, Severity, incident::AlertCounts};

    fn incident() -> Incident {
        Incident {
            id: IncidentId::from_i64(1),
            revision: 1,
            sequence: 1,
            status: IncidentStatus::Open,
            severity: Severity::High,
            declared_severity: None,
            title: "t".into(),
            description: None,
            owner: None,
            tickets: Vec::new(),
            platform: "custom".into(),
            integration_id: IntegrationId::from_i64(1),
            grouping_key: "k".into(),
            labels: crate::signal::Labels::new(),
            service: None,
            host: None,
            entity: None,
            links: Vec::new(),
            alerts: AlertCounts::default(),
            verified: true,
            reopened_count: 0,
            opened_at: Timestamp::from_seconds(1),
            started_at: Timestamp::from_seconds(1),
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
            updated_at: Timestamp::from_seconds(1),
        }
    }

    fn act(incident: &mut Incident, action: Action) -> Result<Option<EventKind>, Refusal> {
        apply(incident, action, &Actor::Timeout, Timestamp::from_seconds(5)).map(|c| c.map(|c| c.kind))
    }

    #[test]
    fn the_table() {
        use EventKind as E;
        use IncidentStatus as S;
        let resolve = |resolution| Action::Resolve { resolution, comment: None };
        let table = [
            (S::Open, Action::Acknowledge, Ok(Some(E::Acknowledged)), S::Acknowledged),
            (S::Acknowledged, Action::Acknowledge, Ok(None), S::Acknowledged),
            (S::WorkInProgress, Action::Acknowledge, Ok(None), S::WorkInProgress),
            (S::Fixed, Action::Acknowledge, Err(Refusal::Resolved), S::Fixed),
            (S::Open, Action::SetStatus(S::WorkInProgress), Ok(Some(E::StatusChanged)), S::WorkInProgress),
            (S::Acknowledged, Action::SetStatus(S::Open), Ok(Some(E::StatusChanged)), S::Open),
            (S::Open, Action::SetStatus(S::Expected), Ok(Some(E::Resolved)), S::Expected),
            (S::Fixed, Action::SetStatus(S::Acknowledged), Ok(Some(E::Reopened)), S::Acknowledged),
            (S::Open, resolve(S::Fixed), Ok(Some(E::Resolved)), S::Fixed),
            (S::Fixed, resolve(S::Fixed), Ok(None), S::Fixed),
            (S::Fixed, resolve(S::FalsePositive), Ok(Some(E::StatusChanged)), S::FalsePositive),
            (S::Open, resolve(S::Acknowledged), Err(Refusal::NotAResolution), S::Open),
            (S::Open, Action::Reopen, Ok(None), S::Open),
            (S::Expected, Action::Reopen, Ok(Some(E::Reopened)), S::Open),
            (S::Open, Action::ClearSeverity, Ok(None), S::Open),
            (S::Open, Action::Comment(" ".into()), Err(Refusal::EmptyComment), S::Open),
        ];
        for (from, action, expected, to) in table {
            let mut incident = Incident { status: from, ..incident() };
            assert_eq!(act(&mut incident, action.clone()), expected, "{from:?} {action:?}");
            assert_eq!(incident.status, to, "{from:?} {action:?}");
        }
    }

    fn any_action() -> impl Strategy<Value = Action> {
        let ticket = Ticket { system: "jira".into(), key: "OPS-1".into(), url: "https://x.test/1".into() };
        prop_oneof![
            Just(Action::Acknowledge),
            proptest::sample::select(IncidentStatus::ALL.to_vec()).prop_map(Action::SetStatus),
            proptest::option::of("[a-c]@x").prop_map(Action::SetOwner),
            Just(Action::AttachTicket(ticket)),
            proptest::sample::select(DeclaredSeverity::ALL.to_vec()).prop_map(Action::DeclareSeverity),
            Just(Action::ClearSeverity),
            proptest::sample::select(IncidentStatus::ALL.to_vec())
                .prop_map(|resolution| Action::Resolve { resolution, comment: None }),
            Just(Action::Reopen),
        ]
    }

    proptest! {
        #[test]
        fn every_action_is_idempotent_and_keeps_the_times_true(actions in proptest::collection::vec(any_action(), 1..20)) {
            let mut incident = incident();
            for action in actions {
                let before = incident.clone();
                match act(&mut incident, action.clone()) {
                    Err(_) => prop_assert_eq!(&incident, &before),
                    Ok(None) => prop_assert_eq!(&incident, &before),
                    Ok(Some(_)) => {
                        let after = incident.clone();
                        prop_assert_eq!(act(&mut incident, action), Ok(None));
                        prop_assert_eq!(&incident, &after);
                    }
                }
                prop_assert_eq!(incident.resolved_at.is_some(), incident.is_resolved());
            }
        }
    }
}
