//! What an ended attempt means: for its delivery, for the circuit, and for the record.

use std::{sync::Arc, time::Duration};

use bugle_model::{Attempt, Circuit, Delivery, Destination, Timestamp, Verdict, delivery::Reason};
use bugle_store::Next;
use tokio::task::{Id as TaskId, JoinError};

use super::{
    super::{
        attempt::{self, Outcome},
        circuit::{self, Opened},
        retry,
        settler::{Record, Settled},
    },
    Lane, Rest, THROTTLE_DEFAULT_MAX, UnderWay,
};

impl Lane {
    pub(super) async fn on_ended(&mut self, ended: Result<(TaskId, Outcome), JoinError>) {
        let task = match &ended {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        let Some(UnderWay { delivery, destination, .. }) = self.under_way.remove(&task) else { return };
        let outcome = match ended {
            Ok((_, outcome)) => outcome,
            Err(error) => {
                tracing::error!(delivery_id = %delivery.id, %error, "an attempt ended in a panic");
                attempt::crashed(&destination, delivery.attempts.saturating_add(1), self.shared.clock.now())
            }
        };
        match outcome {
            Outcome::Skipped(reason) => self.record(delivery, None, Next::Skipped { reason }).await,
            Outcome::Tried(attempt) => self.on_tried(delivery, &destination, attempt.into()).await,
        }
    }

    async fn on_tried(&mut self, delivery: Delivery, destination: &Destination, attempt: Arc<Attempt>) {
        let now = self.shared.clock.now();
        let seconds = Duration::from_micros(attempt.duration_us).as_secs_f64();
        self.shared.observer.attempt(destination, &attempt.verdict, seconds);
        let number = delivery.attempts.saturating_sub(delivery.attempts_forgiven).saturating_add(1);
        let random = if attempt.verdict == Verdict::Delivered { 0.0 } else { random() };
        let next = retry::decide(&destination.retry, number, &attempt.verdict, now, random);
        // What an earlier configuration led to is no reason to disable the present one.
        let is_current = self.handle.destination().updated_at == destination.updated_at;
        let disable = self.judge(destination, &attempt.verdict, now).filter(|_| is_current);
        self.record(delivery, Some(attempt), next).await;
        if let Some(reason) = disable {
            if self.rest.is_none() {
                self.rest = Some(Rest { reason, configured_at: destination.updated_at, told: false });
            }
            self.tell_rest().await;
        }
        self.give_back_when_waiting().await;
    }

    /// What the verdict means for the destination; why it is to be disabled, when it is.
    fn judge(&mut self, destination: &Destination, verdict: &Verdict, now: Timestamp) -> Option<String> {
        match verdict {
            Verdict::Retry { reason: Reason::Render, .. } => None,
            Verdict::Delivered | Verdict::Rejected { .. } => {
                self.set_circuit(circuit::on_success(self.circuit, now));
                None
            }
            Verdict::Gone => {
                Some("the receiver answered 410 Gone: it wants no more calls at this URL".into())
            }
            Verdict::Retry { reason, after, throttle } => {
                let asked = throttle.then(|| self.throttle(destination, *after));
                let (next, opened) =
                    circuit::on_failure(self.circuit, &destination.circuit_policy, asked, now);
                self.set_circuit(next);
                (opened == Opened::Disable).then(|| {
                    format!("{} attempts in a row failed, the last with {reason}", next.consecutive_failures)
                })
            }
        }
    }

    /// How long a throttle lasts: what the receiver asked for, or else about what this delivery will wait.
    fn throttle(&self, destination: &Destination, after: Option<Duration>) -> Duration {
        let failures = self.circuit.consecutive_failures.saturating_add(1);
        let own = || destination.retry.delay(failures, 0.0).min(THROTTLE_DEFAULT_MAX);
        after.unwrap_or_else(own).min(retry::RETRY_AFTER_MAX)
    }

    pub(super) fn set_circuit(&mut self, circuit: Circuit) {
        if circuit.phase != self.circuit.phase {
            self.shared.observer.circuit(self.id(), circuit.phase);
        }
        self.circuit = circuit;
        self.handle.set_circuit(circuit);
    }

    async fn record(&mut self, delivery: Delivery, attempt: Option<Arc<Attempt>>, next: Next) {
        self.handle.signal.unsettled();
        self.send_record(Some(Settled::new(delivery, attempt, next))).await;
    }

    pub(super) async fn record_circuit(&mut self) {
        if self.circuit != self.recorded_circuit {
            self.send_record(None).await;
        }
    }

    async fn send_record(&mut self, settled: Option<Settled>) {
        let changed = self.circuit != self.recorded_circuit;
        self.recorded_circuit = self.circuit;
        let record = Record {
            destination_id: self.id(),
            settled,
            circuit: changed.then_some(self.circuit),
            signal: Arc::clone(&self.handle.signal),
        };
        // It fails only when the settler is gone, at the end of a shutdown that ran out of time.
        if self.shared.records.send(record).await.is_err() {
            tracing::warn!(destination_id = %self.id(), "an outcome could not be stored; the delivery is sent again");
        }
    }
}

/// A number in 0..1 for jitter. Without randomness the wait has no jitter, and is still right.
fn random() -> f64 {
    getrandom::u32().map_or(0.0, |number| f64::from(number) / f64::from(u32::MAX))
}
