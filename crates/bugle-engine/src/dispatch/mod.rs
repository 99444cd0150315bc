//! Gets deliveries to their destinations: claim, attempt, settle.
//!
//! - [`Dispatcher`]: what the rest of the engine sees.
//! - `lane`: one task for each enabled destination, with its own slots, schedule and circuit. A slow or dead
//!   destination holds up nobody but itself.
//! - `attempt`: render, sign, send, record.
//! - `settler`: writes outcomes, many in one transaction.
//! - [`retry`] and [`circuit`]: what an outcome means next, as pure functions.
//!
//! The schedule is in the store, not here: a lane holds only what it has claimed, and a process that dies loses
//! nothing but the time of its last attempts. The order within an incident is the store's doing too: a delivery is not
//! handed out before the one ahead of it is settled.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bugle_model::{
    Attempt, Circuit, Clock, Delivery, DeliveryId, DeliveryState, Destination, DestinationId, Event,
    IncidentId, Verdict, delivery::AttemptRequest, destination::CircuitPhase, event::Documents,
};
use bugle_platforms::{Dialect, table};
use bugle_store::{Due, Store, StoreError};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::send::Sender;

mod attempt;
pub mod circuit;
mod circuit_log;
mod handle;
mod lane;
pub mod retry;
mod settler;
mod waiting;

#[cfg(test)]
mod tests;

pub use circuit_log::CircuitChange;
pub(crate) use circuit_log::CircuitLog;
use handle::LaneHandle;
use lane::Lane;

/// Outcomes that wait for the settler before lanes wait for it.
const RECORDS_MAX: usize = 4096;
/// How often a lane looks for work that nothing told it about.
const SAFETY_POLL: Duration = Duration::from_secs(30);

/// What the dispatcher asks of the engine.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// Disables a destination for good, until a person enables it. The engine stores that and calls
    /// [`Dispatcher::set_destinations`]. On an error the destination rests and this is called again later.
    async fn disable(&self, destination_id: DestinationId, reason: String) -> Result<(), StoreError>;
}

/// Hears what happens, for metrics and the stream. Must be quick.
pub trait Observer: Send + Sync + 'static {
    /// An attempt ended after `seconds`.
    fn attempt(&self, destination: &Destination, verdict: &Verdict, seconds: f64);
    /// What came of a delivery is stored; this is the delivery as it stands now.
    fn outcome(&self, delivery: &Delivery);
    /// A circuit is in this phase now.
    fn circuit(&self, destination_id: DestinationId, phase: CircuitPhase);
}

/// What the dispatcher works with.
pub struct DispatcherParts {
    /// Where deliveries are claimed and settled.
    pub store: Arc<dyn Store>,
    /// Sends requests.
    pub sender: Sender,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Disables destinations.
    pub control: Arc<dyn Control>,
    /// Hears what happens.
    pub observer: Arc<dyn Observer>,
    /// Where people see Bugle, without a slash at the end, for links in notices.
    pub public_url: Option<String>,
    /// Finds a dialect by its slug: [`table::dialect`] but in tests.
    pub dialect: fn(&str) -> Option<&'static dyn Dialect>,
}

impl DispatcherParts {
    /// The parts that have no default; no public URL, and all dialects there are.
    pub fn new(
        store: Arc<dyn Store>,
        sender: Sender,
        clock: Arc<dyn Clock>,
        control: Arc<dyn Control>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self { store, sender, clock, control, observer, public_url: None, dialect: table::dialect }
    }
}

/// What all lanes share.
struct Shared {
    store: Arc<dyn Store>,
    sender: Sender,
    clock: Arc<dyn Clock>,
    control: Arc<dyn Control>,
    observer: Arc<dyn Observer>,
    public_url: Option<String>,
    dialect: fn(&str) -> Option<&'static dyn Dialect>,
    records: mpsc::Sender<settler::Record>,
    /// So many lanes there are.
    lanes: AtomicUsize,
}

impl Shared {
    /// Where what is written of an event is kept. None when nobody else would want it.
    fn documents_of<'a>(&self, due: &'a Due) -> Option<&'a Documents> {
        (self.lanes.load(Ordering::Relaxed) > 1).then_some(&*due.documents)
    }

    fn incident_url(&self, incident_id: IncidentId) -> Option<String> {
        self.public_url.as_ref().map(|base| format!("{base}/incidents/{incident_id}"))
    }
}

/// Gets deliveries to their destinations.
pub struct Dispatcher {
    shared: Arc<Shared>,
    /// Where it was started. Whoever changes a destination may be at home elsewhere.
    runtime: Handle,
    lanes: Mutex<Lanes>,
    lane_tasks: TaskTracker,
    settler_tasks: TaskTracker,
    /// Lets the settler end once nothing waits any more.
    settler_stop: CancellationToken,
    /// Cuts off what has not ended by itself.
    abandon: CancellationToken,
}

#[derive(Default)]
struct Lanes {
    by_destination: HashMap<DestinationId, Arc<LaneHandle>>,
    /// Destinations last seen disabled. When one comes back, it begins with a clean circuit.
    disabled: HashSet<DestinationId>,
    closed: bool,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("lanes", &self.lanes().by_destination.len())
            .finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// Starts with no destinations, on the current Tokio runtime, as all its lanes will.
    pub fn start(parts: DispatcherParts) -> Self {
        let (records, waiting) = mpsc::channel(RECORDS_MAX);
        let settler_tasks = TaskTracker::new();
        let settler_stop = CancellationToken::new();
        let abandon = CancellationToken::new();
        let settling = settler::run(
            Arc::clone(&parts.store),
            Arc::clone(&parts.observer),
            waiting,
            settler_stop.clone(),
        );
        settler_tasks.spawn(abandon.clone().run_until_cancelled_owned(settling));
        let shared = Shared {
            store: parts.store,
            sender: parts.sender,
            clock: parts.clock,
            control: parts.control,
            observer: parts.observer,
            public_url: parts.public_url.map(|url| url.trim_end_matches('/').to_owned()),
            dialect: parts.dialect,
            records,
            lanes: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
            runtime: Handle::current(),
            lanes: Mutex::default(),
            lane_tasks: TaskTracker::new(),
            settler_tasks,
            settler_stop,
            abandon,
        }
    }

    /// Takes over the configuration: all destinations there are, with their circuits as stored. Called at start and
    /// after every change. The circuit counts only where no lane runs yet; a running lane knows better. What is
    /// disabled or missing stops claiming; its attempts under way end and are recorded. Calls must come in the order
    /// in which the configuration changed.
    pub fn set_destinations(&self, destinations: Vec<(Arc<Destination>, Circuit)>) {
        let mut lanes = self.lanes();
        if lanes.closed {
            return;
        }
        let enabled: HashSet<DestinationId> = destinations
            .iter()
            .filter(|(destination, _)| destination.enabled)
            .map(|(destination, _)| destination.id)
            .collect();
        lanes.by_destination.retain(|id, handle| {
            let stays = enabled.contains(id);
            if !stays {
                handle.stop();
            }
            stays
        });
        lanes.disabled.retain(|id| destinations.iter().any(|(destination, _)| destination.id == *id));
        for (destination, circuit) in destinations {
            let id = destination.id;
            if !destination.enabled {
                lanes.disabled.insert(id);
            } else if let Some(handle) = lanes.by_destination.get(&id) {
                handle.configure(destination);
            } else {
                let is_fresh = lanes.disabled.remove(&id) && circuit != Circuit::default();
                let handle = Arc::new(LaneHandle::new(
                    destination,
                    if is_fresh { Circuit::default() } else { circuit },
                ));
                let lane = Lane::new(Arc::clone(&self.shared), Arc::clone(&handle), is_fresh);
                let running = self.abandon.clone().run_until_cancelled_owned(lane.run());
                self.lane_tasks.spawn_on(running, &self.runtime);
                lanes.by_destination.insert(id, handle);
            }
        }
        self.shared.lanes.store(lanes.by_destination.len(), Ordering::Relaxed);
    }

    /// Says that deliveries to this destination were committed. Cheap; many calls become one look.
    pub fn wake(&self, destination_id: DestinationId) {
        if let Some(handle) = self.lanes().by_destination.get(&destination_id) {
            handle.wake();
        }
    }

    /// Makes every lane look again: after a clock was turned, or when it is not known what changed.
    pub fn wake_all(&self) {
        for handle in self.lanes().by_destination.values() {
            handle.wake();
        }
    }

    /// The circuits of the enabled destinations as they are now.
    pub fn circuits(&self) -> Vec<(DestinationId, Circuit)> {
        self.lanes().by_destination.iter().map(|(id, handle)| (*id, handle.circuit())).collect()
    }

    /// Claims nothing more, lets attempts under way end within `bound`, records their outcomes and gives the other
    /// claims back. What is still under way then is cut off and will be sent again. Returns after at most about twice
    /// the bound, also when the store fails.
    pub async fn shutdown(&self, bound: Duration) {
        {
            let mut lanes = self.lanes();
            lanes.closed = true;
            for handle in lanes.by_destination.values() {
                handle.drain_within(bound);
            }
            lanes.by_destination.clear();
        }
        self.lane_tasks.close();
        // A little longer than the lanes take to end by themselves: they still give back what they hold.
        let lanes_ended = tokio::time::timeout(bound + bound / 2, self.lane_tasks.wait()).await;
        self.settler_stop.cancel();
        self.settler_tasks.close();
        let settled = tokio::time::timeout(bound / 2, self.settler_tasks.wait()).await;
        if lanes_ended.is_err() || settled.is_err() {
            tracing::warn!(
                "some outcomes could not be stored before the end; those deliveries are sent again"
            );
        }
        self.abandon.cancel();
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dispatcher {
    /// Sends `event` to `destination` once, now, and records it nowhere. `Err` says why there was nothing to send.
    pub async fn try_out(&self, destination: &Destination, event: Event) -> Result<Attempt, String> {
        let now = self.shared.clock.now();
        let delivery = Delivery {
            id: DeliveryId::from_i64(0),
            destination_id: destination.id,
            incident_id: event.incident_id,
            event_id: event.id,
            sequence: event.sequence,
            state: DeliveryState::Pending,
            attempts: 0,
            attempts_forgiven: 0,
            next_attempt_at: None,
            reason: None,
            created_at: now,
            settled_at: None,
        };
        let due = Due { delivery, event: event.into(), documents: Arc::default() };
        match attempt::deliver(&self.shared, destination, &due).await {
            attempt::Outcome::Tried(attempt) => Ok(*attempt),
            attempt::Outcome::Skipped(reason) => Err(reason),
        }
    }

    /// The request that `event` would be sent to `destination` with, as it may be shown. `Err` says why there is none.
    pub fn preview(&self, destination: &Destination, event: &Event) -> Result<AttemptRequest, String> {
        attempt::preview(&self.shared, destination, event)
    }
}
