//! One destination's lane: claims what is due, keeps its slots busy, heeds its circuit, and sleeps otherwise.
//!
//! The lane is the only writer of its circuit, so it needs no lock, and it decides one thing at a time: what ended is
//! judged before anything new begins.

use std::{collections::HashMap, mem, sync::Arc, time::Duration};

use bugle_model::{
    Circuit, Delivery, Destination, DestinationId, Timestamp, destination::CircuitPhase,
    limits::CLOCK_STEP_MIN,
};
use bugle_store::{Claim, Room, StoreError};
use futures_util::future::BoxFuture;
use tokio::{
    task::{Id as TaskId, JoinSet},
    time::Instant,
};

mod outcome;

use super::{
    SAFETY_POLL, Shared,
    attempt::{self, Outcome},
    circuit::{self, Permit},
    handle::LaneHandle,
    waiting::Waiting,
};

/// Claims beyond the slots and the outcomes not yet stored: what the lane may hold at most is this many times its
/// concurrency, so that slots stay busy while outcomes are written.
const HELD_PER_SLOT: usize = 4;
/// And never less than this, so that a destination with one slot does not wait for each of its writes.
const HELD_MIN: usize = 16;
/// Largest claim.
const CLAIM_MAX: usize = 256;
/// Waits between looks while the store fails.
const STORE_BACKOFF_MIN: Duration = Duration::from_millis(100);
const STORE_BACKOFF_MAX: Duration = Duration::from_secs(5);
/// The longest wait that a throttle without `Retry-After` means.
const THROTTLE_DEFAULT_MAX: Duration = Duration::from_mins(1);

/// What a look into the store found.
struct Claimed {
    claim: Claim,
    asked: Room,
}

impl Claimed {
    /// Whether one of the kinds filled its room, so that there may be more of it.
    fn is_short_of_room(&self) -> bool {
        let retries = self.claim.due.iter().filter(|due| due.delivery.attempts > 0).count();
        let first_tries = self.claim.due.len() - retries;
        let filled = |room: u32, found| room > 0 && usize::try_from(room).is_ok_and(|room| found >= room);
        filled(self.asked.first_tries, first_tries) || filled(self.asked.retries, retries)
    }
}

/// An attempt under way.
struct UnderWay {
    delivery: Delivery,
    destination: Arc<Destination>,
    is_probe: bool,
}

/// Why the lane rests although its destination is enabled.
struct Rest {
    /// Why the destination is to be disabled.
    reason: String,
    /// The configuration that was found to be of no use. A later one ends the rest.
    configured_at: Timestamp,
    /// Whether the engine has been told.
    told: bool,
}

pub(super) struct Lane {
    shared: Arc<Shared>,
    handle: Arc<LaneHandle>,
    destination: Arc<Destination>,
    circuit: Circuit,
    /// The circuit as the store will have it once all records are written.
    recorded_circuit: Circuit,
    /// Claimed and not begun.
    waiting: Waiting,
    attempts: JoinSet<Outcome>,
    under_way: HashMap<TaskId, UnderWay>,
    claim: Option<BoxFuture<'static, Result<Claimed, StoreError>>>,
    /// Whether the store may hold something due that was not claimed.
    hungry: bool,
    next_retry_at: Option<Timestamp>,
    store_backoff: Duration,
    /// No look into the store before this moment.
    store_rests_until: Option<Instant>,
    rest: Option<Rest>,
    /// The clock when the lane last looked at it.
    seen_at: Timestamp,
}

impl Lane {
    /// `records_circuit`: whether the circuit it begins with differs from the stored one.
    pub(super) fn new(shared: Arc<Shared>, handle: Arc<LaneHandle>, records_circuit: bool) -> Self {
        let circuit = handle.circuit();
        let not_recorded = Circuit { consecutive_failures: u32::MAX, ..circuit };
        Self {
            destination: handle.destination(),
            recorded_circuit: if records_circuit { not_recorded } else { circuit },
            circuit,
            // One that opened later than now was opened before the clock was turned back.
            seen_at: circuit.opened_at.into_iter().fold(shared.clock.now(), Timestamp::max),
            shared,
            handle,
            waiting: Waiting::default(),
            attempts: JoinSet::new(),
            under_way: HashMap::new(),
            claim: None,
            hungry: true,
            next_retry_at: None,
            store_backoff: STORE_BACKOFF_MIN,
            store_rests_until: None,
            rest: None,
        }
    }

    fn id(&self) -> DestinationId {
        self.destination.id
    }

    pub(super) async fn run(mut self) {
        self.shared.observer.circuit(self.id(), self.circuit.phase);
        self.record_circuit().await;
        while !self.handle.stop.is_cancelled() {
            self.heed_clock();
            self.take_configuration().await;
            self.begin_attempts();
            self.begin_claim();
            let wait = self.wait();
            tokio::select! {
                biased;
                () = self.handle.stop.cancelled() => {}
                Some(ended) = self.attempts.join_next_with_id() => self.on_ended(ended).await,
                claimed = finish(&mut self.claim) => self.on_claimed(claimed).await,
                () = self.handle.signal.woken() => self.hungry = true,
                () = tokio::time::sleep(wait) => self.on_timer().await,
            }
            while let Some(ended) = self.attempts.try_join_next_with_id() {
                self.on_ended(ended).await;
            }
        }
        self.drain().await;
    }

    /// When the clock was turned back, the circuit's times go back with it: what was to last half a minute does not last
    /// for hours. Retries are found to be due by the store.
    fn heed_clock(&mut self) {
        let now = self.shared.clock.now();
        let back = self.seen_at.since(now);
        self.seen_at = now;
        if back >= CLOCK_STEP_MIN {
            let earlier = |moment: Timestamp| moment.minus(back);
            let (opened_at, wait_until) =
                (self.circuit.opened_at.map(earlier), self.circuit.wait_until.map(earlier));
            self.set_circuit(Circuit { opened_at, wait_until, ..self.circuit });
            self.hungry = true;
        }
    }

    async fn take_configuration(&mut self) {
        let current = self.handle.destination();
        if self.rest.as_ref().is_some_and(|rest| rest.configured_at != current.updated_at) {
            self.rest = None;
            self.set_circuit(Circuit::default());
            self.record_circuit().await;
            self.hungry = true;
        }
        // A change may be the mending that an open circuit waits for: probe at once.
        let changed = current.updated_at != self.destination.updated_at;
        self.destination = current;
        if changed && self.circuit.phase == CircuitPhase::Open {
            self.set_circuit(Circuit { wait_until: Some(self.shared.clock.now()), ..self.circuit });
        }
    }

    fn slots(&self) -> usize {
        usize::from(self.destination.concurrency.max(1))
    }

    fn is_probing(&self) -> bool {
        self.under_way.values().any(|attempt| attempt.is_probe)
    }

    fn permit(&self) -> Permit {
        circuit::may_attempt(&self.circuit, self.shared.clock.now())
    }

    /// Fills the slots, as far as the circuit permits.
    fn begin_attempts(&mut self) {
        if self.rest.is_some() {
            return;
        }
        while self.under_way.len() < self.slots() && self.waiting.len() > 0 {
            let is_probe = match self.permit() {
                Permit::Flow => false,
                Permit::Probe if !self.is_probing() => true,
                Permit::Probe | Permit::WaitUntil(_) => return,
            };
            let retrying = self.under_way.values().filter(|attempt| attempt.delivery.attempts > 0).count();
            // A probe goes alone, and is what was due first.
            let slots = if is_probe { 1 } else { self.slots() };
            let Some(due) = self.waiting.next(retrying, slots) else { return };
            if is_probe {
                self.set_circuit(circuit::on_probe(self.circuit));
            }
            let delivery = due.delivery.clone();
            let (shared, destination) = (Arc::clone(&self.shared), Arc::clone(&self.destination));
            let task =
                self.attempts.spawn(async move { attempt::deliver(&shared, &destination, &due).await });
            let destination = Arc::clone(&self.destination);
            self.under_way.insert(task.id(), UnderWay { delivery, destination, is_probe });
        }
    }

    /// Looks into the store when there may be work and room for it.
    fn begin_claim(&mut self) {
        let resting =
            self.rest.is_some() || self.store_rests_until.is_some_and(|until| Instant::now() < until);
        if !self.hungry || self.claim.is_some() || resting {
            return;
        }
        let room = self.room();
        if room == (Room { first_tries: 0, retries: 0 }) {
            return;
        }
        self.hungry = false;
        let (shared, id) = (Arc::clone(&self.shared), self.id());
        self.claim = Some(Box::pin(async move {
            let now = shared.clock.now();
            let mut claim = shared.store.claim_due(id, now, room).await?;
            for due in &mut claim.due {
                // It is due now, whatever a clock that was turned back since had said; nothing younger goes before it.
                due.delivery.next_attempt_at = due.delivery.next_attempt_at.map(|at| at.min(now));
            }
            Ok(Claimed { claim, asked: room })
        }));
    }

    /// How many of each kind to claim. Outcomes on their way to the store count against both, so that a store that is down
    /// does not fill the memory with what it has yet to take.
    fn room(&self) -> Room {
        let (first_tries, retries) = match self.permit() {
            Permit::WaitUntil(_) => (0, 0),
            Permit::Probe if self.is_probing() || self.waiting.len() > 0 => (0, 0),
            Permit::Probe => (1, 1),
            Permit::Flow => {
                let most = (self.slots() * HELD_PER_SLOT).max(HELD_MIN);
                let left = most.saturating_sub(self.under_way.len() + self.handle.signal.unsettled_count());
                let (first_tries, retries) = self.waiting.room(self.slots());
                (first_tries.min(left), retries.min(left))
            }
        };
        let bounded = |room: usize| u32::try_from(room.min(CLAIM_MAX)).unwrap_or(u32::MAX);
        Room { first_tries: bounded(first_tries), retries: bounded(retries) }
    }

    async fn on_claimed(&mut self, claimed: Result<Claimed, StoreError>) {
        match claimed {
            Ok(claimed) => {
                self.store_backoff = STORE_BACKOFF_MIN;
                self.store_rests_until = None;
                self.hungry |= claimed.is_short_of_room();
                self.next_retry_at = claimed.claim.next_retry_at;
                self.waiting.extend(claimed.claim.due);
                self.give_back_when_waiting().await;
            }
            Err(error) => self.on_store_error(&error, "deliveries could not be claimed"),
        }
    }

    fn on_store_error(&mut self, error: &StoreError, what: &str) {
        tracing::error!(
            destination_id = %self.id(),
            error = error as &dyn std::error::Error,
            retry_ms = u64::try_from(self.store_backoff.as_millis()).unwrap_or(u64::MAX),
            "{what}"
        );
        self.store_rests_until = Some(Instant::now() + self.store_backoff);
        self.store_backoff = (self.store_backoff * 2).min(STORE_BACKOFF_MAX);
        self.hungry = true;
    }

    /// How long the lane may sleep when nothing wakes it.
    fn wait(&self) -> Duration {
        let now = self.shared.clock.now();
        let mut wait = SAFETY_POLL;
        if let Some(until) = self.store_rests_until {
            wait = wait.min(until.saturating_duration_since(Instant::now()));
        }
        if self.rest.is_some() {
            return wait;
        }
        match self.permit() {
            Permit::WaitUntil(until) => wait.min(until.since(now)),
            Permit::Flow | Permit::Probe => {
                let retry_in = self.next_retry_at.map(|due| due.since(now));
                wait.min(retry_in.unwrap_or(wait))
            }
        }
    }

    async fn on_timer(&mut self) {
        self.hungry = true;
        // Its time may have come; the next look into the store tells what comes after it.
        self.next_retry_at = None;
        self.store_rests_until = self.store_rests_until.filter(|until| Instant::now() < *until);
        self.tell_rest().await;
        self.give_back_when_waiting().await;
    }

    /// What cannot be sent soon is not held: another process could send it, and a stop has less to give back.
    async fn give_back_when_waiting(&mut self) {
        if self.rest.is_some() || matches!(self.permit(), Permit::WaitUntil(_)) {
            self.give_back().await;
        }
    }

    /// Asks the engine to disable the destination. On an error it is asked again at the next timer.
    async fn tell_rest(&mut self) {
        let id = self.id();
        let Some(rest) = self.rest.as_mut().filter(|rest| !rest.told) else { return };
        tracing::warn!(destination_id = %id, reason = rest.reason, "the destination is disabled");
        match self.shared.control.disable(id, rest.reason.clone()).await {
            Ok(()) => rest.told = true,
            Err(error) => self.on_store_error(&error, "the destination could not be disabled and rests"),
        }
    }

    /// Gives back what is claimed and not begun.
    async fn give_back(&mut self) {
        let held = self.waiting.take_all();
        if held.is_empty() {
            return;
        }
        self.hungry = true;
        if let Err(error) = self.shared.store.release(held.iter().map(|due| due.delivery.id).collect()).await
        {
            self.on_store_error(&error, "claims could not be given back and are kept");
            self.waiting.extend(held);
        }
    }

    /// Lets what is under way end, within the bound if there is one, and gives everything else back.
    async fn drain(mut self) {
        let deadline = self.handle.drain_bound().map(|bound| Instant::now() + bound);
        // A claim that is under way must not be dropped: what it hands out would be held by nobody.
        if let Some(claim) = self.claim.take()
            && let Ok(claimed) = claim.await
        {
            self.waiting.extend(claimed.claim.due);
        }
        self.give_back().await;
        while !self.under_way.is_empty() {
            let ended = match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, self.attempts.join_next_with_id()).await,
                None => Ok(self.attempts.join_next_with_id().await),
            };
            match ended {
                Ok(Some(ended)) => self.on_ended(ended).await,
                Ok(None) => break,
                Err(_) => {
                    self.cut_off().await;
                    break;
                }
            }
        }
    }

    async fn cut_off(&mut self) {
        self.attempts.abort_all();
        let cut: Vec<_> =
            mem::take(&mut self.under_way).into_values().map(|attempt| attempt.delivery.id).collect();
        tracing::info!(destination_id = %self.id(), attempts = cut.len(), "attempts were cut off by the shutdown");
        if let Err(error) = self.shared.store.release(cut).await {
            self.on_store_error(&error, "claims could not be given back");
        }
    }
}

/// Waits for the future if there is one, and takes it out when it is done. Safe to drop in between.
async fn finish<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(pending) => {
            let done = pending.await;
            *future = None;
            done
        }
        None => std::future::pending().await,
    }
}
