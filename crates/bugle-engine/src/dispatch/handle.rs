//! How a lane is reached from outside: wake, configure, stop, and what its circuit is.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bugle_model::{Circuit, Destination};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Wakes a lane and counts its outcomes that are not stored yet.
#[derive(Debug, Default)]
pub(super) struct Signal {
    notify: Notify,
    unsettled: AtomicUsize,
}

impl Signal {
    /// One more outcome is on its way to the store.
    pub(super) fn unsettled(&self) {
        self.unsettled.fetch_add(1, Ordering::AcqRel);
    }

    /// Outcomes on their way to the store.
    pub(super) fn unsettled_count(&self) -> usize {
        self.unsettled.load(Ordering::Acquire)
    }

    /// Resolves when there may be something to do. Calls that came while nobody waited count as one.
    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }

    /// One outcome is stored, which may have unblocked the next event of its incident.
    pub(super) fn settled(&self) {
        self.unsettled.fetch_sub(1, Ordering::AcqRel);
        self.notify.notify_one();
    }
}

/// How the dispatcher reaches a lane.
#[derive(Debug)]
pub(super) struct LaneHandle {
    destination: ArcSwap<Destination>,
    circuit: Mutex<Circuit>,
    pub(super) signal: Arc<Signal>,
    pub(super) stop: CancellationToken,
    /// How long attempts under way may take once the lane is stopped; as long as they like when not set.
    drain: Mutex<Option<Duration>>,
}

impl LaneHandle {
    pub(super) fn new(destination: Arc<Destination>, circuit: Circuit) -> Self {
        Self {
            destination: ArcSwap::new(destination),
            circuit: Mutex::new(circuit),
            signal: Arc::default(),
            stop: CancellationToken::new(),
            drain: Mutex::new(None),
        }
    }

    /// The configuration to go by.
    pub(super) fn destination(&self) -> Arc<Destination> {
        self.destination.load_full()
    }

    pub(super) fn wake(&self) {
        self.signal.notify.notify_one();
    }

    pub(super) fn configure(&self, destination: Arc<Destination>) {
        self.destination.store(destination);
        self.wake();
    }

    pub(super) fn circuit(&self) -> Circuit {
        *self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_circuit(&self, circuit: Circuit) {
        *self.circuit.lock().unwrap_or_else(PoisonError::into_inner) = circuit;
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn drain_within(&self, bound: Duration) {
        *self.drain.lock().unwrap_or_else(PoisonError::into_inner) = Some(bound);
        self.stop();
    }

    pub(super) fn drain_bound(&self) -> Option<Duration> {
        *self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
