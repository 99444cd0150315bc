//! One configured outbound endpoint, its retry policy and its circuit.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    event::{Event, EventKind},
    id::{DestinationId, IntegrationId},
    secret::Secret,
    signal::Severity,
    time::Timestamp,
};

/// One configured outbound endpoint.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Names it.
    pub id: DestinationId,
    /// What a person calls it.
    pub name: String,
    /// How events are written for it.
    pub dialect: String,
    /// Where they are sent. May hold a secret in its path or query: show [`Destination::shown_url`].
    pub url: Url,
    /// `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// What they are signed with; several while rotating.
    pub secrets: Vec<Secret>,
    /// Sent with every attempt. Values may be secrets.
    pub headers: BTreeMap<String, String>,
    /// The events it wants; empty means all.
    pub events: Vec<EventKind>,
    /// Which incidents it wants.
    pub filter: Filter,
    /// The body it wants, for dialect `template`.
    pub template: Option<Value>,
    /// When a failed attempt is tried again.
    pub retry: RetryPolicy,
    /// When it is left alone for a while.
    pub circuit_policy: CircuitPolicy,
    /// The dialect's settings, checked by the dialect when they are set.
    pub settings: Map<String, Value>,
    /// Attempts under way at once.
    pub concurrency: u16,
    /// Longest time of one attempt, from resolving the name to the answer's last byte.
    pub timeout_ms: u32,
    /// Deliveries wait while it is disabled.
    pub enabled: bool,
    /// Why it is disabled, when Bugle did it.
    pub disabled_reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Destination {
    /// The URL without what may be secret in it: no userinfo, no query values, and only the first two path segments.
    pub fn shown_url(&self) -> String {
        shown_url(&self.url)
    }

    /// The secrets that count at `now`, newest first.
    pub fn active_secrets(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().rev().filter(move |secret| secret.is_active(now))
    }

    /// Whether it wants this event.
    pub fn wants(&self, event: &Event) -> bool {
        (self.events.is_empty() || self.events.contains(&event.kind)) && self.filter.admits(event)
    }

    /// Every reason why it does not want this event; none when it does.
    pub fn objections(&self, event: &Event) -> Vec<Objection> {
        let kind = (!self.events.is_empty() && !self.events.contains(&event.kind))
            .then(|| Objection::EventKind { wanted: self.events.clone() });
        kind.into_iter().chain(self.filter.objections(event)).collect()
    }
}

/// A URL without what may be secret in it. Services like Slack put the secret in the path, so a long segment is hidden.
pub fn shown_url(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let mut shown = format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default());
    for segment in url.path_segments().into_iter().flatten() {
        shown.push('/');
        shown.push_str(if segment.len() > 20 { "[hidden]" } else { segment });
    }
    for (position, (name, _)) in url.query_pairs().enumerate() {
        shown.push(if position == 0 { '?' } else { '&' });
        shown.push_str(&name);
        shown.push_str("=[hidden]");
    }
    shown
}

/// Which incidents a destination wants. Every list that is given must match; an empty one matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Slugs of platforms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// Integrations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub integrations: Vec<IntegrationId>,
    /// Severities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub severities: Vec<Severity>,
    /// Labels that the incident must have, with these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Filter {
    fn admits(&self, event: &Event) -> bool {
        let incident = &event.incident;
        let one_of = |empty: bool, found: bool| empty || found;
        one_of(self.platforms.is_empty(), self.platforms.contains(&incident.platform))
            && one_of(self.integrations.is_empty(), self.integrations.contains(&incident.integration_id))
            && one_of(self.severities.is_empty(), self.severities.contains(&incident.severity))
            && self.labels.iter().all(|(name, value)| incident.labels.get(name) == Some(value))
    }

    /// Each condition that does not hold. Slower than [`Filter::admits`], which is asked for every event.
    fn objections(&self, event: &Event) -> Vec<Objection> {
        let incident = &event.incident;
        let mut found = Vec::new();
        if !self.platforms.is_empty() && !self.platforms.contains(&incident.platform) {
            found.push(Objection::Platform { wanted: self.platforms.clone() });
        }
        if !self.integrations.is_empty() && !self.integrations.contains(&incident.integration_id) {
            found.push(Objection::Integration { wanted: self.integrations.clone() });
        }
        if !self.severities.is_empty() && !self.severities.contains(&incident.severity) {
            found.push(Objection::Severity { wanted: self.severities.clone() });
        }
        let differing = self.labels.iter().filter(|(name, value)| incident.labels.get(*name) != Some(*value));
        found.extend(differing.map(|(name, wanted)| Objection::Label {
            name: name.clone(),
            wanted: wanted.clone(),
            found: incident.labels.get(name).cloned(),
        }));
        found
    }
}

/// Why a destination does not want an event: the condition that fails, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "condition", rename_all = "snake_case")]
pub enum Objection {
    /// It wants other kinds of event.
    EventKind {
        /// Those it wants.
        wanted: Vec<EventKind>,
    },
    /// It wants other platforms.
    Platform {
        /// Their slugs.
        wanted: Vec<String>,
    },
    /// It wants other integrations.
    Integration {
        /// Those it wants.
        wanted: Vec<IntegrationId>,
    },
    /// It wants other severities.
    Severity {
        /// Those it wants.
        wanted: Vec<Severity>,
    },
    /// A label is missing or has another value.
    Label {
        /// The label.
        name: String,
        /// The value it must have.
        wanted: String,
        /// The value it has.
        found: Option<String>,
    },
}

/// When a failed attempt is tried again: exponential, with jitter that only ever adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts in all, the first included. After the last failed one the delivery is dead, and can be redelivered.
    pub max_attempts: u32,
    /// Wait before the second attempt.
    pub initial_delay_ms: u64,
    /// Each further wait is this many times the one before.
    pub factor: f64,
    /// Longest wait.
    pub max_delay_ms: u64,
    /// Up to this share of the wait is added at random, so that receivers do not see waves.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    /// 5 s, 10 s, 20 s, ... up to an hour, 32 attempts: about a day.
    fn default() -> Self {
        Self { max_attempts: 32, initial_delay_ms: 5_000, factor: 2.0, max_delay_ms: 3_600_000, jitter: 0.2 }
    }
}

/// When a destination is left alone for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitPolicy {
    /// Failures in a row that open the circuit.
    pub failure_threshold: u32,
    /// How long it stays open before one probe is let through.
    pub open_ms: u64,
    /// What opening it means.
    pub on_open: OnOpen,
}

impl Default for CircuitPolicy {
    fn default() -> Self {
        Self { failure_threshold: 10, open_ms: 30_000, on_open: OnOpen::Pause }
    }
}

/// What an open circuit means for a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOpen {
    /// Deliveries wait, and a probe is sent from time to time.
    #[default]
    Pause,
    /// The destination is disabled until somebody enables it. Deliveries wait.
    Disable,
}

/// The state of a destination's circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Circuit {
    /// Whether attempts flow.
    pub phase: CircuitPhase,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// When it last opened.
    pub opened_at: Option<Timestamp>,
    /// No attempt is made before this moment: the next probe, or the end of a throttle.
    pub wait_until: Option<Timestamp>,
}

/// Whether attempts flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitPhase {
    /// They flow.
    #[default]
    Closed,
    /// They wait.
    Open,
    /// One is under way to see whether the receiver is back.
    HalfOpen,
}

impl RetryPolicy {
    /// The wait after `failed_attempts` failures, `random` in 0..1 placing it within its jitter.
    pub fn delay(&self, failed_attempts: u32, random: f64) -> Duration {
        let exponent = i32::try_from(failed_attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a delay of more than 2^52 ms is cut to the maximum anyway"
        )]
        let (initial, max) = (self.initial_delay_ms as f64, self.max_delay_ms as f64);
        let base = (initial * self.factor.powi(exponent)).min(max);
        Duration::try_from_secs_f64(base * (1.0 + self.jitter * random) / 1000.0).unwrap_or(Duration::MAX)
    }
}
