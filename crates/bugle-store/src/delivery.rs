//! What is said of deliveries: new ones, claims and their outcomes, what waits, and sending again.

use std::sync::Arc;

use bugle_model::{
    Attempt, Delivery, DeliveryId, DeliveryState, DestinationId, Event, EventId, IncidentId, Timestamp,
    event::Documents,
};

/// A delivery to be made.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Where it goes.
    pub destination_id: DestinationId,
    /// The incident whose event it carries.
    pub incident_id: IncidentId,
    /// The event it carries.
    pub event_id: EventId,
    /// The event's number within its incident.
    pub sequence: u32,
}

/// A delivery that is due, with the event it carries. It is not handed out again until it is settled or released.
#[derive(Debug, Clone)]
pub struct Due {
    /// The delivery.
    pub delivery: Delivery,
    /// Its event, snapshots included.
    pub event: Arc<Event>,
    /// What was written of the event, for other deliveries of it as far as the store has them share it.
    pub documents: Arc<Documents>,
}

/// How many deliveries a claim may hand out. Each kind has its own room, so that however many of one are due, they never
/// hide the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Deliveries that were never tried.
    pub first_tries: u32,
    /// Deliveries that were.
    pub retries: u32,
}

/// What a claim found.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// What is due, each kind with the longest due first. A retry that was decided on later than now, by more than
    /// [`CLOCK_STEP_MIN`](bugle_model::limits::CLOCK_STEP_MIN), is due: the clock was turned back since, and what was to
    /// wait for minutes would wait for hours.
    pub due: Vec<Due>,
    /// When the next retry is due, if there was more room for retries than retries that are due.
    pub next_retry_at: Option<Timestamp>,
}

/// How far a recovery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Deliveries that this step sent again.
    pub count: u32,
    /// Where the next step goes on; none when there is nothing more.
    pub rest: Option<RecoverFrom>,
}

/// From which dead delivery on a recovery goes, in the order in which they were created. It only ever moves forward, so a
/// recovery ends although what it sent again dies again meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoverFrom {
    /// Those created at this moment or later.
    pub created_at: Timestamp,
    /// Of those created at that very moment, only the ones with larger ids.
    pub after: DeliveryId,
}

impl RecoverFrom {
    /// All that were created at or after `moment`.
    pub const fn since(moment: Timestamp) -> Self {
        Self { created_at: moment, after: DeliveryId::from_i64(-1) }
    }
}

/// What happens next to a claimed delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Done. The next event of the incident to this destination is unblocked.
    Delivered,
    /// Given up on. The next event of the incident to this destination is unblocked.
    Dead {
        /// Why.
        reason: String,
    },
    /// The dialect has no word for it. The next one is unblocked.
    Skipped {
        /// Why.
        reason: String,
    },
    /// Try again at this moment.
    RetryAt {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
}

/// The outcome of one claimed delivery.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Which delivery.
    pub delivery_id: DeliveryId,
    /// The try that was made; none for a skipped one. Its number is given by the store.
    /// Shared, so that whoever may have to record it again keeps it without a copy.
    pub attempt: Option<Arc<Attempt>>,
    /// What happens next.
    pub next: Next,
}

/// What waits for a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Which destination.
    pub destination_id: DestinationId,
    /// Deliveries not settled.
    pub unsettled: u64,
    /// When the oldest of them was created.
    pub oldest: Option<Timestamp>,
}

/// Which deliveries.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeliveryFilter {
    /// To this destination.
    pub destination_id: Option<DestinationId>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Of this incident.
    pub incident_id: Option<IncidentId>,
}
