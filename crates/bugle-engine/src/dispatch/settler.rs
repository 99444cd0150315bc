//! Writes outcomes. One task for all destinations: whatever waits at the same moment becomes one transaction, and the
//! next batch gathers while this one is written.
//!
//! An outcome that cannot be written is kept and tried again until the store is back: the receiver has had the call,
//! and forgetting that would call it twice. The lanes bound how many outcomes can wait (see [`super::lane`]).

use std::{collections::HashMap, sync::Arc, time::Duration};

use bugle_model::{Attempt, Circuit, Delivery, DeliveryState, DestinationId};
use bugle_store::{Next, Settlement, Store};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Observer, handle::Signal};

/// Outcomes in one transaction.
const BATCH_MAX: usize = 512;
/// Waits between tries while the store fails.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

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
    pub(super) fn new(mut delivery: Delivery, attempt: Option<Attempt>, next: Next) -> Self {
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
        write(store.as_ref(), &batch).await;
        for record in batch.drain(..) {
            if let Some(settled) = record.settled {
                observer.outcome(&settled.delivery);
                record.signal.settled();
            }
        }
    }
}

/// Writes the batch, however long it takes.
async fn write(store: &dyn Store, batch: &[Record]) {
    let mut backoff = BACKOFF_MIN;
    loop {
        let settlements =
            batch.iter().filter_map(|record| Some(record.settled.as_ref()?.settlement.clone())).collect();
        // The last of a destination counts: its lane sends them in order.
        let circuits: HashMap<DestinationId, Circuit> =
            batch.iter().filter_map(|record| Some((record.destination_id, record.circuit?))).collect();
        match store.settle(settlements, circuits.into_iter().collect()).await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    outcomes = batch.len(),
                    retry_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX),
                    "outcomes of deliveries could not be stored; they are kept and tried again"
                );
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }
}
