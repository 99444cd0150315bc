//! Writes outcomes. One task for all destinations: whatever waits at the same moment becomes one transaction, and the
//! next batch gathers while this one is written.
//!
//! An outcome that cannot be written is kept and tried again until the store is back: the receiver has had the call,
//! and forgetting that would call it twice. The lanes bound how many outcomes can wait (see [`super::lane`]). Only one
//! that the store refuses for itself while it takes others is let go in the end.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bugle_model::{Attempt, Circuit, Delivery, DeliveryState, DestinationId};
use bugle_store::{Next, Settlement, Store, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Observer, handle::Signal};

/// Outcomes in one transaction.
const BATCH_MAX: usize = 512;
/// Waits between tries while the store fails.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// How often a working store may refuse one outcome before it is offered without its attempt.
const REFUSALS_MAX: u32 = 3;

/// Something to be written for one destination.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) destination_id: DestinationId,
    /// What came of a delivery; none when only the circuit changed.
    pub(super) settled: Option<Settled>,
    /// The circuit, when it changed.
    pub(super) circuit: Option<Circuit>,
    /// Told once it is written.
    pub(super) signal: Arc<Signal>,
}

/// What came of a delivery.
#[derive(Debug)]
pub(super) struct Settled {
    settlement: Settlement,
    /// As it stands once that is written.
    delivery: Delivery,
}

impl Settled {
    pub(super) fn new(mut delivery: Delivery, attempt: Option<Arc<Attempt>>, next: Next) -> Self {
        delivery.attempts = delivery.attempts.saturating_add(u32::from(attempt.is_some()));
        delivery.state = match &next {
            Next::Delivered => DeliveryState::Delivered,
            Next::Dead { .. } => DeliveryState::Dead,
            Next::Skipped { .. } => DeliveryState::Skipped,
            Next::RetryAt { .. } => DeliveryState::Pending,
        };
        Self { settlement: Settlement { delivery_id: delivery.id, attempt, next }, delivery }
    }
}

/// Runs until `stop` is cancelled and nothing waits any more.
pub(super) async fn run(
    store: Arc<dyn Store>,
    observer: Arc<dyn Observer>,
    mut records: mpsc::Receiver<Record>,
    stop: CancellationToken,
) {
    let mut batch = Vec::new();
    loop {
        let received = tokio::select! {
            biased;
            received = records.recv_many(&mut batch, BATCH_MAX) => received,
            () = stop.cancelled() => 0,
        };
        if received == 0 {
            return;
        }
        Writing::new(store.as_ref(), observer.as_ref()).write(&mut batch).await;
    }
}

/// The writing of one batch.
struct Writing<'a> {
    store: &'a dyn Store,
    observer: &'a dyn Observer,
    /// Outcomes in the next transaction. Halved while the store works and refuses them, so that one that it never takes
    /// holds up no other.
    part: usize,
    /// How often the store refused the first outcome by itself.
    refusals: u32,
    backoff: Duration,
}

impl<'a> Writing<'a> {
    fn new(store: &'a dyn Store, observer: &'a dyn Observer) -> Self {
        Self { store, observer, part: BATCH_MAX, refusals: 0, backoff: BACKOFF_MIN }
    }

    /// Writes the batch, however long the store is down.
    async fn write(&mut self, batch: &mut Vec<Record>) {
        while !batch.is_empty() {
            self.part = self.part.clamp(1, batch.len());
            match self.settle(batch).await {
                Ok(()) => {
                    for record in batch.drain(..self.part) {
                        self.tell(record);
                    }
                    *self = Self { part: self.part * 2, ..Self::new(self.store, self.observer) };
                }
                Err(error) => self.on_error(&error, batch).await,
            }
        }
    }

    async fn settle(&self, batch: &[Record]) -> Result<(), StoreError> {
        let part = || batch.iter().take(self.part);
        let settlement = |record: &Record| {
            let settlement = record.settled.as_ref()?.settlement.clone();
            let attempt = settlement.attempt.filter(|_| self.refusals < REFUSALS_MAX);
            Some(Settlement { attempt, ..settlement })
        };
        let settlements = part().filter_map(settlement).collect();
        // The last of a destination counts: its lane sends them in order.
        let circuits: HashMap<DestinationId, Circuit> =
            part().filter_map(|record| Some((record.destination_id, record.circuit?))).collect();
        self.store.settle(settlements, circuits.into_iter().collect()).await
    }

    /// A store that is down is waited for. One that works and refuses a single outcome is asked to take it without the
    /// record of its attempt; then the delivery is let go, and will be sent again.
    async fn on_error(&mut self, error: &StoreError, batch: &mut Vec<Record>) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            outcomes = self.part,
            retry_ms = u64::try_from(self.backoff.as_millis()).unwrap_or(u64::MAX),
            "outcomes of deliveries could not be stored; they are kept and tried again"
        );
        if self.store.ping().await.is_ok() {
            if self.part > 1 {
                self.part /= 2;
                return;
            }
            self.refusals += 1;
            if self.refusals > REFUSALS_MAX {
                self.let_go(batch.remove(0)).await;
                self.refusals = 0;
                return;
            }
        }
        tokio::time::sleep(self.backoff).await;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }

    async fn let_go(&self, record: Record) {
        let Some(settled) = &record.settled else { return };
        let id = settled.delivery.id;
        tracing::error!(
            delivery_id = %id,
            destination_id = %record.destination_id,
            "the store takes everything but this outcome: the delivery is sent again, look for its cause above"
        );
        if let Err(error) = self.store.release(vec![id]).await {
            tracing::error!(delivery_id = %id, error = &error as &dyn std::error::Error, "a claim could not be given back");
        }
        record.signal.settled();
    }

    fn tell(&self, record: Record) {
        if let Some(settled) = record.settled {
            self.observer.outcome(&settled.delivery);
            record.signal.settled();
        }
    }
}
