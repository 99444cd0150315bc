//! Counters and gauges for Prometheus.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicI64, AtomicU64},
};

use bugle_model::{Circuit, Destination, DestinationId, Timestamp, Verdict, destination::CircuitPhase};
use bugle_store::{Backlog, Inbox};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabels {
    platform: &'static str,
    status: Cow<'static, str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PlatformLabels {
    platform: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DestinationLabels {
    destination: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    destination: String,
    outcome: String,
}

type Seconds = Gauge<f64, AtomicU64>;

/// Counters and gauges for Prometheus.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    webhook_requests: Family<WebhookLabels, Counter>,
    webhook_processing: Family<PlatformLabels, Histogram, fn() -> Histogram>,
    pub(crate) receipts_processed: Counter,
    pub(crate) events: Counter,
    pub(crate) quarantine_overflow: Counter,
    pub(crate) inbox: InboxMetrics,
    pub(crate) pruned_receipts: Counter,
    pub(crate) pruned_incidents: Counter,
    attempts: Family<AttemptLabels, Counter>,
    attempt_seconds: Family<DestinationLabels, Histogram, fn() -> Histogram>,
    backlog: Family<DestinationLabels, Gauge<i64, AtomicI64>>,
    backlog_age: Family<DestinationLabels, Seconds>,
    circuit: Family<DestinationLabels, Gauge<i64, AtomicI64>>,
}

/// From a quarter of a millisecond to eight seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

/// Counters of receipts and of incidents that retention deleted.
fn pruned(registry: &mut Registry) -> (Counter, Counter) {
    let (receipts, incidents) = <(Counter, Counter)>::default();
    registry.register(
        "bugle_pruned_receipts",
        "Receipts that were deleted because they were old",
        receipts.clone(),
    );
    registry.register(
        "bugle_pruned_incidents",
        "Resolved incidents that were deleted because they were old",
        incidents.clone(),
    );
    (receipts, incidents)
}

/// What waits for the pipeline, and what could not even wait.
#[derive(Debug, Default)]
pub(crate) struct InboxMetrics {
    pending: Gauge<i64, AtomicI64>,
    age: Seconds,
    pub(crate) not_stored: Counter,
}

impl InboxMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "bugle_inbox_pending",
            "Accepted calls that the pipeline has not reached, counted up to 100000",
            metrics.pending.clone(),
        );
        registry.register_with_unit(
            "bugle_inbox_age",
            "Age of the oldest call that the pipeline has not reached",
            Unit::Seconds,
            metrics.age.clone(),
        );
        registry.register(
            "bugle_calls_not_stored",
            "Calls that could not be stored and were answered with 503",
            metrics.not_stored.clone(),
        );
        metrics
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let webhook_requests = Family::default();
        let webhook_processing = Family::new_with_constructor(seconds as fn() -> Histogram);
        let attempts = Family::default();
        let attempt_seconds = Family::new_with_constructor(seconds as fn() -> Histogram);
        let (receipts_processed, events, quarantine_overflow) = <(Counter, Counter, Counter)>::default();
        let (backlog, backlog_age, circuit) = Default::default();
        registry.register(
            "webhook_requests",
            "Webhook calls by platform and answer",
            Family::clone(&webhook_requests),
        );
        registry.register_with_unit(
            "webhook_processing",
            "From a call's first byte to its answer",
            Unit::Seconds,
            Family::clone(&webhook_processing),
        );
        registry.register(
            "bugle_receipts_processed",
            "Receipts that went through the pipeline",
            receipts_processed.clone(),
        );
        registry.register("bugle_events", "Events written to timelines", events.clone());
        registry.register(
            "bugle_quarantine_overflow",
            "Rejected calls that were answered and not kept because too many came",
            quarantine_overflow.clone(),
        );
        let (pruned_receipts, pruned_incidents) = pruned(&mut registry);
        let inbox = InboxMetrics::register(&mut registry);
        registry.register(
            "bugle_delivery_attempts",
            "Attempts by destination and outcome",
            Family::clone(&attempts),
        );
        registry.register_with_unit(
            "bugle_delivery_attempt",
            "How long attempts took",
            Unit::Seconds,
            Family::clone(&attempt_seconds),
        );
        registry.register("bugle_delivery_backlog", "Deliveries not settled", Family::clone(&backlog));
        registry.register_with_unit(
            "bugle_delivery_backlog_age",
            "Age of the oldest delivery not settled",
            Unit::Seconds,
            Family::clone(&backlog_age),
        );
        registry.register(
            "bugle_circuit_state",
            "0 closed, 1 half-open, 2 open, 3 disabled",
            Family::clone(&circuit),
        );
        Self {
            registry,
            webhook_requests,
            webhook_processing,
            receipts_processed,
            events,
            quarantine_overflow,
            inbox,
            pruned_receipts,
            pruned_incidents,
            attempts,
            attempt_seconds,
            backlog,
            backlog_age,
            circuit,
        }
    }
}

impl Metrics {
    /// Counts one webhook call. `platform` must be one that exists, so that callers cannot make labels without end.
    pub fn webhook_request(&self, platform: &'static str, status: Cow<'static, str>, seconds: f64) {
        self.webhook_requests.get_or_create(&WebhookLabels { platform, status }).inc();
        self.webhook_processing.get_or_create(&PlatformLabels { platform }).observe(seconds);
    }

    /// Counts one attempt.
    pub(crate) fn attempt(&self, destination: DestinationId, verdict: &Verdict, seconds: f64) {
        let outcome = match verdict {
            Verdict::Delivered => "delivered".to_owned(),
            Verdict::Gone => "gone".to_owned(),
            Verdict::Retry { reason, .. } | Verdict::Rejected { reason } => reason.to_string(),
        };
        let destination = destination.to_string();
        self.attempt_seconds
            .get_or_create(&DestinationLabels { destination: destination.clone() })
            .observe(seconds);
        self.attempts.get_or_create(&AttemptLabels { destination, outcome }).inc();
    }

    /// Sets the gauges to what is so now.
    pub(crate) fn set_backlogs(&self, backlogs: &[Backlog], now: Timestamp) {
        self.backlog.clear();
        self.backlog_age.clear();
        for backlog in backlogs {
            let labels = DestinationLabels { destination: backlog.destination_id.to_string() };
            self.backlog.get_or_create(&labels).set(i64::try_from(backlog.unsettled).unwrap_or(i64::MAX));
            let age = backlog.oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
            self.backlog_age.get_or_create(&labels).set(age);
        }
    }

    /// Sets the gauges to what is so now.
    pub(crate) fn set_inbox(&self, inbox: &Inbox, now: Timestamp) {
        self.inbox.pending.set(i64::try_from(inbox.pending).unwrap_or(i64::MAX));
        self.inbox.age.set(inbox.oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64()));
    }

    /// Sets the gauges to what is so now.
    pub(crate) fn set_circuits<'a>(&self, circuits: impl Iterator<Item = (&'a Destination, Circuit)>) {
        self.circuit.clear();
        for (destination, circuit) in circuits {
            let state = match circuit.phase {
                _ if !destination.enabled => 3,
                CircuitPhase::Open => 2,
                CircuitPhase::HalfOpen => 1,
                CircuitPhase::Closed => 0,
            };
            let labels = DestinationLabels { destination: destination.id.to_string() };
            self.circuit.get_or_create(&labels).set(state);
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
