//! What Bugle needs of a database, as intentions. No SQL and no database here; both backends pass one suite.
//!
//! The two promises that everything rests on:
//! - When [`Store::append`] returns, the receipt survives `kill -9` and loss of power.
//! - [`Store::commit`] and [`Store::settle`] happen whole or not at all.

#[cfg(feature = "conformance")]
pub mod conformance;
mod delivery;

use std::{error::Error, fmt};

use async_trait::async_trait;
use bugle_model::{
    Alert, AlertId, ApiKey, ApiKeyId, Attempt, AuditEntry, AuditRecord, Circuit, Cursor, Delivery,
    DeliveryId, Destination, DestinationId, Event, Incident, IncidentId, IncidentStatus, Integration,
    IntegrationId, Page, Receipt, ReceiptId, ReceiptState, Session, Severity, Timestamp, User, UserId,
    Verification,
};
use serde::{Deserialize, Serialize};

pub use delivery::{
    Backlog, Claim, DeliveryFilter, Due, NewDelivery, Next, RecoverFrom, Recovered, Room, Settlement,
};

/// The database could not do it now. The cause stays as the source.
#[derive(Debug)]
pub struct StoreError {
    doing: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// `doing` completes "could not ...".
    pub fn new(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing, source: source.into() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store could not {}", self.doing)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

/// Why a step was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else changed one of its incidents or opened one for the same grouping key: load again, decide again.
    #[error("the incident was changed by somebody else at the same moment")]
    Conflict,
    /// The database could not do it now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of an appended receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// An earlier accepted receipt of the same integration with the same id of the sender's own, if any: the new one was stored
    /// as [`ReceiptState::Duplicate`] and will not be processed. Where the sender gives none, one with an equal body that came
    /// lately.
    pub duplicate_of: Option<ReceiptId>,
}

/// What one signal of a receipt did, kept with the receipt so that a person can see why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalOutcome {
    /// The alert it was folded into.
    pub alert_id: AlertId,
    /// The incident it belongs to.
    pub incident_id: Option<IncidentId>,
    /// What it meant: `opened`, `repeated`, `stale`, ...
    pub meaning: String,
}

/// Where a receipt stands after a step.
#[derive(Debug, Clone)]
pub struct ReceiptOutcome {
    /// Which receipt.
    pub id: ReceiptId,
    /// Where it stands now.
    pub state: ReceiptState,
    /// Why, for a person.
    pub problem: Option<String>,
    /// What its signals did.
    pub signals: Vec<SignalOutcome>,
}

/// All that one step of the pipeline, or one action on an incident, changes. Committed whole or not at all.
#[derive(Debug, Default)]
pub struct Step {
    /// When; becomes the deliveries' creation and first due time.
    pub at: Timestamp,
    /// Receipts that are dealt with.
    pub receipts: Vec<ReceiptOutcome>,
    /// Alerts as they are now.
    pub alerts: Vec<Alert>,
    /// Incidents as they are now. `revision` is the one to store; the stored one must be the one before it
    /// (a revision of 1 is a new incident).
    pub incidents: Vec<Incident>,
    /// New facts on their timelines.
    pub events: Vec<Event>,
    /// Deliveries of those events. One that follows an unsettled delivery of the same incident to the same
    /// destination starts out blocked.
    pub deliveries: Vec<NewDelivery>,
}

/// An event and where it stands in the order in which events became visible.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Where it stands: above every event that was committed before it. Not its id, as ids are made before the commit
    /// and two steps may overtake each other on the way there.
    pub position: Cursor,
    /// The event.
    pub event: Event,
}

/// What waits for the pipeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inbox {
    /// Pending receipts, counted up to [`bugle_model::limits::INBOX_COUNTED_MAX`].
    pub pending: u64,
    /// When the oldest of them was received.
    pub oldest: Option<Timestamp>,
}

/// Which page of a list.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    /// After which row; none for the first page.
    pub cursor: Option<Cursor>,
    /// How many rows at most.
    pub limit: u32,
}

/// Which incidents. Every field that is given must match.
#[derive(Debug, Clone, Default)]
pub struct IncidentFilter {
    /// These statuses.
    pub statuses: Vec<IncidentStatus>,
    /// This severity.
    pub severity: Option<Severity>,
    /// This owner; `Some("")` means none.
    pub owner: Option<String>,
    /// This platform.
    pub platform: Option<String>,
    /// This service.
    pub service: Option<String>,
    /// All of these labels, by name and whole value.
    pub labels: Vec<(String, String)>,
    /// Words in its title, host, service or labels.
    pub query: Option<String>,
}

/// How many incidents there are of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncidentCount {
    /// Their status.
    pub status: IncidentStatus,
    /// Their severity.
    pub severity: Severity,
    /// How many.
    pub count: u64,
}

/// How many calls came from a platform in one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCount {
    /// Which minute since 1970-01-01T00:00:00Z.
    pub minute: i64,
    /// The platform's slug.
    pub platform: String,
    /// How many.
    pub calls: u64,
}

/// Which receipts.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReceiptFilter {
    /// Of this integration.
    pub integration_id: Option<IntegrationId>,
    /// In this state.
    pub state: Option<ReceiptState>,
}

/// Which entries of the audit log. Every field that is given must match.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// What something was done to: `integration`, `user`, `sign_in`, ...
    pub about: Option<String>,
    /// Whoever has this in their name, whatever its case.
    pub actor: Option<String>,
    /// The id of what something was done to.
    pub subject: Option<String>,
}

/// What a database is and how large it has become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreFacts {
    /// The product and its version.
    pub engine: String,
    /// The version of the schema.
    pub schema: i64,
    /// Bytes on disk, logs included.
    pub bytes: u64,
}

/// What is old enough to go. Without a moment, all of that kind stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneBefore {
    /// Receipts that are dealt with and were received before this.
    pub receipts: Option<Timestamp>,
    /// Incidents that were resolved before this, and of which no delivery waits.
    pub incidents: Option<Timestamp>,
}

/// What one step of retention deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Receipts.
    pub receipts: u32,
    /// Incidents, each with all that belonged to it.
    pub incidents: u32,
    /// Whether another step would find something to do at once.
    pub more: bool,
}

/// What the store keeps about itself.
#[derive(Clone)]
pub struct Instance {
    /// Seals credentials in stored headers. Made at random when the store is.
    pub seal_key: [u8; 32],
    /// The largest id that was ever stored, for [`bugle_model::IdGenerator::new`].
    pub id_floor: i64,
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("id_floor", &self.id_floor).finish_non_exhaustive()
    }
}

type Result<T> = std::result::Result<T, StoreError>;

/// The database, as Bugle sees it. Every method's cost is bounded by what it is asked for, not by what is stored.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// What the store keeps about itself.
    async fn instance(&self) -> Result<Instance>;
    /// What it is, for people.
    async fn facts(&self) -> Result<StoreFacts>;
    /// Whether it can write now: for readiness.
    async fn ping(&self) -> Result<()>;

    /// Keeps a receipt. Durable when it returns. Rejected ones beyond
    /// [`bugle_model::limits::QUARANTINE_PER_INTEGRATION_MAX`] push out the oldest rejected one of their integration; so
    /// do undecodable ones the oldest undecodable one.
    async fn append(&self, receipt: Receipt) -> Result<Appended>;
    /// Which receipts are pending, oldest first.
    async fn pending_ids(&self, limit: u32) -> Result<Vec<ReceiptId>>;
    /// Those of these receipts that are pending, in the order given; the last ones are left out when the bodies before
    /// them are large, the first never.
    async fn pending_of(&self, ids: Vec<ReceiptId>) -> Result<Vec<Receipt>>;
    /// How many receipts are pending, and since when.
    async fn inbox(&self) -> Result<Inbox>;
    /// One receipt and what its signals did.
    async fn receipt(&self, id: ReceiptId) -> Result<Option<(Receipt, Vec<SignalOutcome>)>>;
    /// Receipts, newest first, without their bodies.
    async fn receipts(&self, filter: ReceiptFilter, page: PageRequest) -> Result<Page<Receipt>>;
    /// Puts a receipt before the pipeline again, with a new verdict on its sender.
    async fn requeue(&self, id: ReceiptId, verification: Verification) -> Result<()>;

    /// The stored alerts among these (integration, fingerprint) keys.
    async fn alerts_by_key(&self, keys: Vec<(IntegrationId, String)>) -> Result<Vec<Alert>>;
    /// The incidents with these ids, and for each grouping key its unresolved incident, or else the one resolved last.
    async fn incidents_for(&self, ids: Vec<IncidentId>, grouping_keys: Vec<String>) -> Result<Vec<Incident>>;
    /// Commits a step whole or not at all.
    async fn commit(&self, step: Step) -> std::result::Result<(), CommitError>;

    /// One incident.
    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>>;
    /// Incidents, newest first.
    async fn incidents(&self, filter: IncidentFilter, page: PageRequest) -> Result<Page<Incident>>;
    /// Other incidents that say something about this one: those with its grouping key that are over, the one resolved last
    /// first, then the newest of its service, or of its host where it has none.
    async fn related(&self, to: &Incident, limit: u32) -> Result<Vec<Incident>>;
    /// Incidents that nobody has taken: the worst first, and of those the newest.
    async fn worst_open(&self, limit: u32) -> Result<Vec<Incident>>;
    /// How many incidents there are of each status and severity; without those of which there are none.
    async fn incident_counts(&self) -> Result<Vec<IncidentCount>>;
    /// An incident's events, oldest first; the cursor is the last sequence seen.
    async fn timeline(&self, id: IncidentId, page: PageRequest) -> Result<Page<Event>>;
    /// Events of all incidents that stand above `position`, in the order of their commits. Whoever goes on from the last
    /// position it was given misses none: nothing is ever committed below a position that was visible.
    async fn events_after(&self, position: Cursor, limit: u32) -> Result<Vec<Committed>>;
    /// The events that were committed last, newest first.
    async fn latest_events(&self, limit: u32) -> Result<Vec<Event>>;
    /// Where the event that was committed last stands; 0 when there is none.
    async fn last_position(&self) -> Result<Cursor>;
    /// An incident's alerts.
    async fn alerts_of(&self, id: IncidentId, page: PageRequest) -> Result<Page<Alert>>;

    /// Claims deliveries to `destination_id`: those never tried, which are due whatever the time is, and retries that are
    /// due at `now`.
    async fn claim_due(&self, destination_id: DestinationId, now: Timestamp, room: Room) -> Result<Claim>;
    /// Records outcomes, unblocks what waited behind them, and stores the circuits as they are now: all or nothing.
    async fn settle(
        &self,
        settlements: Vec<Settlement>,
        circuits: Vec<(DestinationId, Circuit)>,
    ) -> Result<()>;
    /// Gives claims back without an outcome.
    async fn release(&self, deliveries: Vec<DeliveryId>) -> Result<()>;
    /// What waits for each destination.
    async fn backlog(&self) -> Result<Vec<Backlog>>;
    /// When the oldest unsettled delivery to a destination was created, those of incidents of one platform left out.
    async fn oldest_unsettled(&self, to: DestinationId, except_platform: &str) -> Result<Option<Timestamp>>;
    /// One delivery with its event's attempts, oldest first.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>>;
    /// Deliveries, newest first.
    async fn deliveries(&self, filter: DeliveryFilter, page: PageRequest) -> Result<Page<Delivery>>;
    /// Sends a settled delivery again, with a fresh retry budget. False when it is not settled or not known.
    async fn redeliver(&self, id: DeliveryId, now: Timestamp) -> Result<bool>;
    /// Sends up to `limit` dead deliveries of a destination again, oldest first. One step of a recovery, small enough to
    /// share a transaction with the load.
    async fn recover(
        &self,
        destination_id: DestinationId,
        from: RecoverFrom,
        now: Timestamp,
        limit: u32,
    ) -> Result<Recovered>;

    /// How many deliveries a recovery since `since` would send again, counted up to `limit`.
    async fn count_dead(&self, destination_id: DestinationId, since: Timestamp, limit: u32) -> Result<u32>;

    /// Deletes some of what is old enough, and gives space back: a step that is short, so that it can run beside the load.
    /// At most `limit` receipts go, and at most about as many rows of incidents; a large incident takes several steps, its
    /// deliveries first. Never what is pending, unresolved or unsettled. An alert goes with the incident it belongs to;
    /// one that is not resolved and was heard of since then stays, without an incident.
    async fn prune(&self, before: PruneBefore, limit: u32) -> Result<Pruned>;

    /// How many calls came, from a minute on.
    async fn activity(&self, from_minute: i64) -> Result<Vec<CallCount>>;
    /// Adds to those counts, and forgets what is before a minute.
    async fn add_activity(&self, counts: Vec<CallCount>, from_minute: i64) -> Result<()>;

    /// All integrations that are not deleted.
    async fn integrations(&self) -> Result<Vec<Integration>>;
    /// Makes or replaces one, with its secrets.
    async fn put_integration(&self, integration: Integration) -> Result<()>;
    /// Deletes one; its receipts stay.
    async fn delete_integration(&self, id: IntegrationId, now: Timestamp) -> Result<()>;
    /// All destinations that are not deleted, with their circuits.
    async fn destinations(&self) -> Result<Vec<(Destination, Circuit)>>;
    /// Makes or replaces one, with its secrets. Leaves its circuit alone.
    async fn put_destination(&self, destination: Destination) -> Result<()>;
    /// Deletes one; its deliveries stay, and those not settled are never sent.
    async fn delete_destination(&self, id: DestinationId, now: Timestamp) -> Result<()>;
    /// All API keys.
    async fn api_keys(&self) -> Result<Vec<ApiKey>>;
    /// Keeps a new one.
    async fn put_api_key(&self, key: ApiKey) -> Result<()>;
    /// Notes when one was last used; nothing when it was deleted meanwhile.
    async fn note_api_key_use(&self, id: ApiKeyId, at: Timestamp) -> Result<()>;
    /// Deletes one.
    async fn delete_api_key(&self, id: ApiKeyId) -> Result<()>;

    /// All users, in the order in which they were added.
    async fn users(&self) -> Result<Vec<User>>;
    /// Makes or replaces one. Two with the same name, whatever its case, are refused.
    async fn put_user(&self, user: User) -> Result<()>;
    /// Deletes one, with all their sessions.
    async fn delete_user(&self, id: UserId) -> Result<()>;
    /// Keeps a new session. Those that ended before it began go, some at a time, and so do the oldest of its user beyond
    /// [`bugle_model::limits::SESSIONS_PER_USER_MAX`].
    async fn put_session(&self, session: Session) -> Result<()>;
    /// The session with this hash and its user, whether it is over or not.
    async fn session(&self, hash: [u8; 32]) -> Result<Option<(Session, User)>>;
    /// Notes that one was used, and until when it holds now; nothing when it was deleted meanwhile.
    async fn note_session_use(&self, hash: [u8; 32], at: Timestamp, expires_at: Timestamp) -> Result<()>;
    /// Deletes one.
    async fn delete_session(&self, hash: [u8; 32]) -> Result<()>;

    /// Keeps a fact. Those from before `keep_from` go, some at a time, and so do the oldest beyond
    /// [`bugle_model::limits::AUDIT_ENTRIES_MAX`].
    async fn note(&self, entry: AuditEntry, keep_from: Timestamp) -> Result<()>;
    /// The audit log, newest first.
    async fn audit(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditRecord>>;
}
