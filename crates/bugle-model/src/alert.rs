//! The state of one problem at its source, and how a signal changes it.
//!
//! [`fold`] is the whole answer to signals that come twice, late, out of order or without their beginning.

use serde::{Deserialize, Serialize};

use crate::{
    id::{AlertId, IncidentId, IntegrationId},
    signal::{Patch, Severity, Signal, SignalStatus},
    time::Timestamp,
};

/// Where an alert stands at its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// The problem exists.
    Firing,
    /// It exists and somebody at the source has it.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl AlertStatus {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// The state of one problem at its source, keyed by (integration, fingerprint). It runs in cycles from firing to resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Names it.
    pub id: AlertId,
    /// Where its signals come from.
    pub integration_id: IntegrationId,
    /// What the source calls it.
    pub fingerprint: String,
    /// How often it has begun to fire.
    pub cycle: u32,
    /// Where it stands.
    pub status: AlertStatus,
    /// The severity it has now: the source's, or its integration's default.
    pub severity: Severity,
    /// The incident of its present cycle; none when it was only ever heard of as resolved.
    pub incident_id: Option<IncidentId>,
    /// Its signals laid over one another.
    pub signal: Signal,
    /// Signals folded into it, the repeated and the late ones included.
    pub signals: u64,
    /// When it was first heard of here.
    pub first_seen_at: Timestamp,
    /// When it was last heard of here.
    pub last_seen_at: Timestamp,
}

/// What a signal meant for its alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A cycle began.
    Opened,
    /// A cycle is known only now, and is over already: its resolution came before its beginning.
    OpenedLate,
    /// The cycle goes on, and something that matters to people changed.
    Updated,
    /// Somebody at the source has it.
    Acknowledged,
    /// Nobody at the source has it any more.
    Unacknowledged,
    /// The cycle is over.
    Resolved,
    /// It is over, and its beginning was never heard of. Kept, so that a late beginning is known to be late.
    ResolvedUnknown,
    /// Nothing that was not known.
    Repeated,
    /// It tells of a time before what is already known.
    Stale,
}

/// Lays `signal` over what is known of its alert. `make_id` is called when there is nothing yet.
pub fn fold(
    current: Option<Alert>,
    signal: Signal,
    integration_id: IntegrationId,
    default_severity: Severity,
    received_at: Timestamp,
    make_id: impl FnOnce() -> AlertId,
) -> (Alert, Meaning) {
    let Some(alert) = current else {
        let resolved = signal.status == SignalStatus::Resolved;
        let alert = Alert {
            id: make_id(),
            integration_id,
            fingerprint: signal.fingerprint.clone(),
            cycle: 1,
            status: status_of(signal.status, AlertStatus::Firing),
            severity: signal.severity.unwrap_or(default_severity),
            incident_id: None,
            signal: Signal { creation: false, ..signal },
            signals: 1,
            first_seen_at: received_at,
            last_seen_at: received_at,
        };
        return (alert, if resolved { Meaning::ResolvedUnknown } else { Meaning::Opened });
    };
    fold_known(alert, signal, received_at)
}

fn fold_known(mut alert: Alert, signal: Signal, received_at: Timestamp) -> (Alert, Meaning) {
    alert.signals += 1;
    alert.last_seen_at = alert.last_seen_at.max(received_at);
    let resolving = signal.status == SignalStatus::Resolved;
    let stale = is_before(signal.observed_at, alert.signal.observed_at);
    // What the source saw after the end is no late beginning, though it may still tell of the old start: it reopened.
    let seen_later = is_before(alert.signal.observed_at, signal.observed_at);
    if signal.creation && is_past_creation(&alert) {
        return fold_late_beginning(alert, signal);
    }
    if alert.status == AlertStatus::Resolved {
        return if resolving {
            fold_resolved_again(alert, signal, stale)
        } else if signal.status == SignalStatus::Updated && !stale && alert.incident_id.is_some() {
            // What people do at the source after the end still counts; the alert stays as it is.
            (heard(alert, signal), Meaning::Repeated)
        } else if stale
            || (!seen_later && is_before(signal.started_at, alert.signal.ended_at))
            || signal.status == SignalStatus::Updated
        {
            fold_late_beginning(alert, signal)
        } else {
            (begin_cycle(alert, signal), Meaning::Opened)
        };
    }
    if stale || (resolving && is_before(signal.ended_at, alert.signal.started_at)) {
        return fold_stale(alert, signal);
    }
    let meaning = meaning_while_unresolved(&alert, &signal);
    alert.status = status_of(signal.status, alert.status);
    alert.severity = signal.severity.unwrap_or(alert.severity);
    alert.signal = signal.over(alert.signal);
    (alert, meaning)
}

/// It tells of a time before what is known: of an alert that was only heard of in part, it may tell the rest.
fn fold_stale(mut alert: Alert, signal: Signal) -> (Alert, Meaning) {
    if !alert.signal.partial || signal.partial || signal.status == SignalStatus::Resolved {
        return (alert, Meaning::Stale);
    }
    alert.severity = alert.signal.severity.or(signal.severity).unwrap_or(alert.severity);
    let known = std::mem::take(&mut alert.signal);
    alert.signal = known.over(signal);
    (alert, Meaning::Updated)
}

/// Resolved, and told so again: by a repeat, or for a later cycle whose beginning was never heard.
fn fold_resolved_again(mut alert: Alert, signal: Signal, stale: bool) -> (Alert, Meaning) {
    if !stale && is_before(alert.signal.ended_at, signal.started_at) {
        alert.cycle += 1;
        alert.incident_id = None;
        alert.severity = signal.severity.unwrap_or(alert.severity);
        alert.signal = signal.over(alert.signal);
        return (alert, Meaning::ResolvedUnknown);
    }
    if stale { (alert, Meaning::Stale) } else { (heard(alert, signal), Meaning::Repeated) }
}

/// The same alert, with what people did at its source remembered.
fn heard(mut alert: Alert, signal: Signal) -> Alert {
    alert.signal.source = signal.source.over(std::mem::take(&mut alert.signal.source));
    alert
}

/// Whether more has happened to the alert than that it came to be. A creation then comes late, or once more: what people
/// did at the source since stays.
fn is_past_creation(alert: &Alert) -> bool {
    let facts = &alert.signal.source;
    alert.status != AlertStatus::Firing
        || matches!(facts.feedback, Patch::Set(_))
        || matches!(facts.declared_severity, Patch::Set(_))
}

/// The beginning, or the middle, of a cycle of which what follows is known.
fn fold_late_beginning(mut alert: Alert, signal: Signal) -> (Alert, Meaning) {
    if alert.incident_id.is_some() {
        return (alert, Meaning::Stale);
    }
    alert.severity = signal.severity.unwrap_or(alert.severity);
    let end = std::mem::take(&mut alert.signal);
    alert.signal = end.over(signal);
    (alert, Meaning::OpenedLate)
}

fn begin_cycle(mut alert: Alert, signal: Signal) -> Alert {
    alert.cycle += 1;
    alert.incident_id = None;
    alert.status = status_of(signal.status, AlertStatus::Firing);
    alert.severity = signal.severity.unwrap_or(alert.severity);
    let mut earlier = std::mem::take(&mut alert.signal);
    earlier.started_at = None;
    alert.signal = signal.over(earlier);
    alert
}

fn meaning_while_unresolved(alert: &Alert, signal: &Signal) -> Meaning {
    let differs = |new: Option<Severity>| new.is_some_and(|severity| severity != alert.severity);
    match signal.status {
        SignalStatus::Resolved => Meaning::Resolved,
        SignalStatus::Acknowledged if alert.status != AlertStatus::Acknowledged => Meaning::Acknowledged,
        SignalStatus::Firing if alert.status == AlertStatus::Acknowledged => Meaning::Unacknowledged,
        _ if differs(signal.severity) => Meaning::Updated,
        _ if !signal.partial && !signal.title.is_empty() && signal.title != alert.signal.title => {
            Meaning::Updated
        }
        _ if signal.correlations.len() > alert.signal.correlations.len() => Meaning::Updated,
        _ if signal.related.len() > alert.signal.related.len() => Meaning::Updated,
        _ if signal.status == SignalStatus::Updated => Meaning::Updated,
        _ => Meaning::Repeated,
    }
}

const fn status_of(signal: SignalStatus, before: AlertStatus) -> AlertStatus {
    match signal {
        SignalStatus::Firing => AlertStatus::Firing,
        SignalStatus::Acknowledged => AlertStatus::Acknowledged,
        SignalStatus::Updated => before,
        SignalStatus::Resolved => AlertStatus::Resolved,
    }
}

fn is_before(earlier: Option<Timestamp>, later: Option<Timestamp>) -> bool {
    matches!((earlier, later), (Some(earlier), Some(later)) if earlier < later)
}

#[cfg(test)]
mod tests;
