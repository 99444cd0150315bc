//! What can be wrong with Bugle, in words for a person. Pure: what was seen goes in, signals come out.

use std::time::Duration;

use bugle_model::{
    Circuit, Destination, DestinationId, Severity, Signal, Timestamp,
    destination::CircuitPhase,
    signal::{Entity, Measurement},
};

/// Names the alert about the calls that wait for the pipeline.
pub(super) const INBOX: &str = "inbox";
/// Names the alert about calls that could not be stored.
pub(super) const STORE: &str = "store";

/// What is this many times older than it may be is critical: five minutes become an hour.
const CRITICAL_FACTOR: u32 = 12;
/// For how long after the last call that could not be stored the store counts as failing.
const REFUSAL_MEMORY: Duration = Duration::from_mins(1);

/// Names the alert about what waits for a destination.
pub(super) fn backlog_of(id: DestinationId) -> String {
    format!("{}/backlog", group_of(id))
}

/// Names of all alerts about a destination.
pub(super) fn subjects_of(id: DestinationId) -> [String; 2] {
    [backlog_of(id), disabled_of(id)]
}

fn disabled_of(id: DestinationId) -> String {
    format!("{}/disabled", group_of(id))
}

/// What is wrong with one destination is one incident.
fn group_of(id: DestinationId) -> String {
    format!("destination:{id}")
}

/// Something that waits for longer than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Late {
    pub(super) now: Timestamp,
    pub(super) bound: Duration,
    since: Timestamp,
    severity: Severity,
}

impl Late {
    /// Whether it is late that something waits since `since`. Once told, it is over only when half the bound is kept, and
    /// never becomes less severe before: or else what hovers about the bound would be told again and again.
    pub(super) fn at(
        now: Timestamp,
        since: Timestamp,
        bound: Duration,
        told: Option<&Severity>,
    ) -> Option<Self> {
        let age = now.since(since);
        let allowed = if told.is_some() { bound / 2 } else { bound };
        let critical = told == Some(&Severity::Critical) || age >= bound.saturating_mul(CRITICAL_FACTOR);
        let severity = if critical { Severity::Critical } else { Severity::High };
        (age >= allowed).then_some(Self { now, bound, since, severity })
    }

    fn measured(&self, metric: &str) -> Vec<Measurement> {
        vec![Measurement {
            metric: metric.to_owned(),
            value: Some(self.now.since(self.since).as_secs().to_string()),
            operator: Some(">".to_owned()),
            threshold: Some(self.bound.as_secs().to_string()),
            ..Measurement::default()
        }]
    }
}

/// Calls that were answered and could not be stored, as counted since the process began.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    count: u64,
    /// Of the last ones that were heard of.
    at: Option<Timestamp>,
}

impl Refusals {
    /// Takes note of the count as it is at `now`.
    pub(super) fn heard(&mut self, count: u64, now: Timestamp) {
        if count > self.count {
            *self = Self { count, at: Some(now) };
        }
    }
}

/// Deliveries to this destination wait for too long.
pub(super) fn backlog(destination: &Destination, circuit: &Circuit, waiting: u64, late: Late) -> Signal {
    let failures = match circuit.phase {
        CircuitPhase::Closed => String::new(),
        _ => format!(" Its circuit is open after {} failures in a row.", circuit.consecutive_failures),
    };
    let description = format!(
        "{waiting} deliveries to {} wait, the oldest since {}.{failures} They are sent when the receiver works again; \
         what it answers is in their attempts.",
        destination.shown_url(),
        late.since
    );
    Signal {
        fingerprint: backlog_of(destination.id),
        severity: Some(late.severity),
        title: format!("Deliveries to \"{}\" wait", destination.name),
        description: Some(description),
        measurements: late.measured("bugle_delivery_backlog_age_seconds"),
        ..about(destination)
    }
}

/// Bugle itself has disabled this destination.
pub(super) fn disabled(destination: &Destination) -> Option<Signal> {
    let reason = destination.disabled_reason.as_ref().filter(|_| !destination.enabled)?;
    Some(Signal {
        fingerprint: disabled_of(destination.id),
        severity: Some(Severity::High),
        title: format!("Destination \"{}\" was disabled", destination.name),
        description: Some(format!(
            "Bugle stopped sending to {}: {reason}. Deliveries wait until somebody enables it again.",
            destination.shown_url()
        )),
        ..about(destination)
    })
}

fn about(destination: &Destination) -> Signal {
    Signal {
        labels: [("destination".to_owned(), destination.id.to_string())].into(),
        entity: Some(Entity {
            kind: "destination".to_owned(),
            name: destination.name.clone(),
            path: Some(destination.id.to_string()),
        }),
        grouping_key: Some(group_of(destination.id)),
        ..Signal::default()
    }
}

/// Calls that were accepted wait for too long until they are read.
pub(super) fn inbox(pending: u64, late: Late) -> Signal {
    Signal {
        fingerprint: INBOX.to_owned(),
        severity: Some(late.severity),
        title: "Accepted calls wait to be read".to_owned(),
        description: Some(format!(
            "{pending} calls are stored and not read yet, the oldest since {}. More come in than Bugle can handle here, \
             or the pipeline fails: the log tells.",
            late.since
        )),
        measurements: late.measured("bugle_inbox_age_seconds"),
        ..Signal::default()
    }
}

/// Calls could not be stored lately.
pub(super) fn refusals(refusals: &Refusals, now: Timestamp) -> Option<Signal> {
    let at = refusals.at.filter(|at| now.since(*at) < REFUSAL_MEMORY)?;
    Some(Signal {
        fingerprint: STORE.to_owned(),
        severity: Some(Severity::Critical),
        title: "Calls could not be stored".to_owned(),
        description: Some(format!(
            "{} calls since the start could not be stored, the last about {at}. They were answered with 503, so that \
             their senders try again. Look at the disk: its space, its errors and its speed.",
            refusals.count
        )),
        measurements: vec![Measurement {
            metric: "bugle_calls_not_stored_total".to_owned(),
            value: Some(refusals.count.to_string()),
            ..Measurement::default()
        }],
        ..Signal::default()
    })
}
