//! A store in memory that does what the dispatcher needs, and fails when told to.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    future::pending,
    sync::{Mutex, MutexGuard},
};

use bugle_model::{
    Alert, ApiKey, ApiKeyId, Attempt, AuditEntry, AuditRecord, Cursor, Delivery, DeliveryId, DeliveryState,
    Event, EventId, EventKind, Incident, IncidentId, IncidentStatus, Integration, IntegrationId, Page,
    Receipt, ReceiptId, Session, Severity, Timestamp, User, UserId, Verification, event::Actor,
    limits::CLOCK_STEP_MIN,
};
use bugle_store::{
    Appended, AuditFilter, Backlog, CallCount, Claim, CommitError, Committed, DeliveryFilter, Due, Inbox,
    IncidentCount, IncidentFilter, Instance, Next, PageRequest, PruneBefore, Pruned, ReceiptFilter,
    RecoverFrom, Recovered, Room, Settlement, SignalOutcome, Step, StoreFacts,
};
use tokio::sync::Notify;

use super::*;

type Result<T> = std::result::Result<T, StoreError>;

#[derive(Debug, Default)]
pub(super) struct MemoryStore {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rows: BTreeMap<DeliveryId, Row>,
    pub(super) circuits: HashMap<DestinationId, Circuit>,
    pub(super) failing_claims: u32,
    pub(super) failing_settles: u32,
    /// Nothing is ever written any more, and nothing says so.
    pub(super) settles_hang: bool,
    /// Nothing is written, and whoever asks is told so.
    pub(super) is_down: bool,
    /// Deliveries whose outcomes are never taken, and those of which only the attempt's record is not.
    pub(super) refused: HashSet<DeliveryId>,
    pub(super) refused_attempts: HashSet<DeliveryId>,
    pub(super) looks: u64,
    pub(super) failed: u32,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) delivery: Delivery,
    pub(super) attempts: Vec<Attempt>,
    pub(super) is_claimed: bool,
    event: Event,
}

impl State {
    pub(super) fn count(&self, destination_id: DestinationId, state: DeliveryState) -> usize {
        let of_it = |row: &&Row| row.delivery.destination_id == destination_id && row.delivery.state == state;
        self.rows.values().filter(of_it).count()
    }

    fn block_followers(&mut self) {
        let mut ahead = HashSet::new();
        for row in self.rows.values_mut().filter(|row| !row.delivery.state.is_settled()) {
            let first = ahead.insert((row.delivery.destination_id, row.delivery.incident_id));
            row.delivery.state = if first { DeliveryState::Pending } else { DeliveryState::Blocked };
        }
    }
}

impl MemoryStore {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Adds the next `events` events of an incident for a destination.
    pub(super) fn add(&self, destination_id: DestinationId, incident: i64, events: u32, at: Timestamp) {
        let mut state = self.state();
        for _ in 0..events {
            let incident_id = IncidentId::from_i64(incident);
            let same = |row: &&Row| {
                row.delivery.destination_id == destination_id && row.delivery.incident_id == incident_id
            };
            let sequence = u32::try_from(state.rows.values().filter(same).count()).unwrap() + 1;
            let number = i64::try_from(state.rows.len()).unwrap() + 1;
            let delivery = delivery(number, destination_id, incident_id, sequence, at);
            let event = event(&delivery);
            state.rows.insert(delivery.id, Row { delivery, attempts: Vec::new(), is_claimed: false, event });
        }
        state.block_followers();
    }

    /// Waits until the state is as it should be.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if holds(&self.state()) {
                    return;
                }
                changed.await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok();
        assert!(
            in_time,
            "not in time: {what}; {:#?}",
            self.state().rows.values().map(|row| &row.delivery).collect::<Vec<_>>()
        );
    }
}

/// A delivery that was not tried yet.
pub(super) fn delivery(
    number: i64,
    destination_id: DestinationId,
    incident_id: IncidentId,
    sequence: u32,
    at: Timestamp,
) -> Delivery {
    Delivery {
        id: DeliveryId::from_i64(number),
        destination_id,
        incident_id,
        event_id: EventId::from_i64(1000 + number),
        sequence,
        state: DeliveryState::Pending,
        attempts: 0,
        attempts_forgiven: 0,
        next_attempt_at: Some(at),
        reason: None,
        created_at: at,
        settled_at: None,
    }
}

pub(super) fn event(delivery: &Delivery) -> Event {
    let at = delivery.created_at;
    Event {
        id: delivery.event_id,
        incident_id: delivery.incident_id,
        sequence: delivery.sequence,
        kind: if delivery.sequence == 1 { EventKind::Created } else { EventKind::Updated },
        at,
        actor: Actor::Timeout,
        changes: Vec::new(),
        comment: None,
        alert_id: None,
        alert: None,
        incident: Incident {
            id: delivery.incident_id,
            revision: 1,
            sequence: delivery.sequence,
            status: IncidentStatus::Open,
            severity: Severity::High,
            declared_severity: None,
            title: "disk full".into(),
            description: None,
            owner: None,
            tickets: Vec::new(),
            platform: "custom".into(),
            integration_id: IntegrationId::from_i64(1),
            grouping_key: "disk".into(),
            labels: BTreeMap::new(),
            service: None,
            host: None,
            entity: None,
            links: Vec::new(),
            alerts: bugle_model::incident::AlertCounts::default(),
            verified: true,
            reopened_count: 0,
            opened_at: at,
            started_at: at,
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
            updated_at: at,
        },
    }
}

fn unused<T>() -> T {
    panic!("the dispatcher has no use for this")
}

fn broken() -> StoreError {
    StoreError::new("do what it was told to fail at", std::io::Error::other("disk full"))
}

#[async_trait]
impl Store for MemoryStore {
    async fn claim_due(&self, destination_id: DestinationId, now: Timestamp, room: Room) -> Result<Claim> {
        let mut state = self.state();
        state.looks += 1;
        self.changed.notify_waiters();
        if state.failing_claims > 0 {
            state.failing_claims -= 1;
            state.failed += 1;
            self.changed.notify_waiters();
            return Err(broken());
        }
        let mut open: Vec<&mut Row> = state
            .rows
            .values_mut()
            .filter(|row| {
                row.delivery.destination_id == destination_id
                    && row.delivery.state == DeliveryState::Pending
                    && !row.is_claimed
            })
            .collect();
        open.sort_by_key(|row| row.delivery.next_attempt_at);
        let mut claim = Claim::default();
        let (mut first_tries, mut retries) = (room.first_tries, room.retries);
        for row in open {
            let is_retry = row.delivery.attempts > 0;
            let left = if is_retry { &mut retries } else { &mut first_tries };
            if *left == 0 {
                continue;
            }
            let is_turned_back =
                row.attempts.last().is_some_and(|tried| tried.started_at > now.plus(CLOCK_STEP_MIN));
            let is_to_come = row.delivery.next_attempt_at.is_some_and(|due| due > now);
            if is_retry && is_to_come && !is_turned_back {
                claim.next_retry_at = claim.next_retry_at.or(row.delivery.next_attempt_at);
                continue;
            }
            *left -= 1;
            row.is_claimed = true;
            claim.due.push(Due {
                delivery: row.delivery.clone(),
                event: row.event.clone().into(),
                documents: Arc::default(),
            });
        }
        Ok(claim)
    }

    async fn settle(
        &self,
        settlements: Vec<Settlement>,
        circuits: Vec<(DestinationId, Circuit)>,
    ) -> Result<()> {
        if self.state().settles_hang {
            pending::<()>().await;
        }
        let mut state = self.state();
        if state.failing_settles > 0 {
            state.failing_settles -= 1;
            state.failed += 1;
            self.changed.notify_waiters();
            return Err(broken());
        }
        let is_refused = |one: &Settlement| {
            state.refused.contains(&one.delivery_id)
                || (one.attempt.is_some() && state.refused_attempts.contains(&one.delivery_id))
        };
        if state.is_down || settlements.iter().any(is_refused) {
            state.failed += 1;
            self.changed.notify_waiters();
            return Err(broken());
        }
        for settlement in settlements {
            let row = state.rows.get_mut(&settlement.delivery_id).unwrap();
            assert!(row.is_claimed, "settled without a claim");
            row.is_claimed = false;
            let is_retry = matches!(settlement.next, Next::RetryAt { .. });
            row.delivery.attempts += u32::from(is_retry || settlement.attempt.is_some());
            if let Some(attempt) = settlement.attempt {
                row.attempts.push((*attempt).clone());
            }
            (row.delivery.state, row.delivery.reason) = match settlement.next {
                Next::Delivered => (DeliveryState::Delivered, None),
                Next::Dead { reason } => (DeliveryState::Dead, Some(reason)),
                Next::Skipped { reason } => (DeliveryState::Skipped, Some(reason)),
                Next::RetryAt { at, reason } => {
                    row.delivery.next_attempt_at = Some(at);
                    (DeliveryState::Pending, Some(reason))
                }
            };
        }
        state.circuits.extend(circuits);
        state.block_followers();
        self.changed.notify_waiters();
        Ok(())
    }

    async fn release(&self, deliveries: Vec<DeliveryId>) -> Result<()> {
        let mut state = self.state();
        for id in deliveries {
            let row = state.rows.get_mut(&id).unwrap();
            assert!(row.is_claimed, "released without a claim");
            row.is_claimed = false;
        }
        self.changed.notify_waiters();
        Ok(())
    }

    async fn instance(&self) -> Result<Instance> {
        unused()
    }
    async fn facts(&self) -> Result<StoreFacts> {
        unused()
    }
    async fn ping(&self) -> Result<()> {
        if self.state().is_down { Err(broken()) } else { Ok(()) }
    }
    async fn append(&self, _: Receipt) -> Result<Appended> {
        unused()
    }
    async fn pending_ids(&self, _: u32) -> Result<Vec<ReceiptId>> {
        unused()
    }
    async fn pending_of(&self, _: Vec<ReceiptId>) -> Result<Vec<Receipt>> {
        unused()
    }
    async fn inbox(&self) -> Result<Inbox> {
        unused()
    }
    async fn receipt(&self, _: ReceiptId) -> Result<Option<(Receipt, Vec<SignalOutcome>)>> {
        unused()
    }
    async fn receipts(&self, _: ReceiptFilter, _: PageRequest) -> Result<Page<Receipt>> {
        unused()
    }
    async fn requeue(&self, _: ReceiptId, _: Verification) -> Result<()> {
        unused()
    }
    async fn alerts_by_key(&self, _: Vec<(IntegrationId, String)>) -> Result<Vec<Alert>> {
        unused()
    }
    async fn incidents_for(&self, _: Vec<IncidentId>, _: Vec<String>) -> Result<Vec<Incident>> {
        unused()
    }
    async fn related(&self, _: &Incident, _: u32) -> Result<Vec<Incident>> {
        unused()
    }
    async fn commit(&self, _: Step) -> std::result::Result<(), CommitError> {
        unused()
    }
    async fn incident(&self, _: IncidentId) -> Result<Option<Incident>> {
        unused()
    }
    async fn incidents(&self, _: IncidentFilter, _: PageRequest) -> Result<Page<Incident>> {
        unused()
    }
    async fn timeline(&self, _: IncidentId, _: PageRequest) -> Result<Page<Event>> {
        unused()
    }
    async fn events_after(&self, _: Cursor, _: u32) -> Result<Vec<Committed>> {
        unused()
    }
    async fn latest_events(&self, _: u32) -> Result<Vec<Event>> {
        unused()
    }
    async fn last_position(&self) -> Result<Cursor> {
        unused()
    }
    async fn alerts_of(&self, _: IncidentId, _: PageRequest) -> Result<Page<Alert>> {
        unused()
    }
    async fn backlog(&self) -> Result<Vec<Backlog>> {
        unused()
    }
    async fn oldest_unsettled(&self, _: DestinationId, _: &str) -> Result<Option<Timestamp>> {
        unused()
    }
    async fn delivery(&self, _: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>> {
        unused()
    }
    async fn deliveries(&self, _: DeliveryFilter, _: PageRequest) -> Result<Page<Delivery>> {
        unused()
    }
    async fn redeliver(&self, _: DeliveryId, _: Timestamp) -> Result<bool> {
        unused()
    }
    async fn recover(&self, _: DestinationId, _: RecoverFrom, _: Timestamp, _: u32) -> Result<Recovered> {
        unused()
    }

    async fn count_dead(&self, _: DestinationId, _: Timestamp, _: u32) -> Result<u32> {
        unused()
    }
    async fn prune(&self, _: PruneBefore, _: u32) -> Result<Pruned> {
        unused()
    }
    async fn worst_open(&self, _: u32) -> Result<Vec<Incident>> {
        unused()
    }
    async fn incident_counts(&self) -> Result<Vec<IncidentCount>> {
        unused()
    }
    async fn activity(&self, _: i64) -> Result<Vec<CallCount>> {
        unused()
    }
    async fn add_activity(&self, _: Vec<CallCount>, _: i64) -> Result<()> {
        unused()
    }
    async fn integrations(&self) -> Result<Vec<Integration>> {
        unused()
    }
    async fn put_integration(&self, _: Integration) -> Result<()> {
        unused()
    }
    async fn delete_integration(&self, _: IntegrationId, _: Timestamp) -> Result<()> {
        unused()
    }
    async fn destinations(&self) -> Result<Vec<(Destination, Circuit)>> {
        unused()
    }
    async fn put_destination(&self, _: Destination) -> Result<()> {
        unused()
    }
    async fn delete_destination(&self, _: DestinationId, _: Timestamp) -> Result<()> {
        unused()
    }
    async fn api_keys(&self) -> Result<Vec<ApiKey>> {
        unused()
    }
    async fn note_api_key_use(&self, _: ApiKeyId, _: Timestamp) -> Result<()> {
        unused()
    }
    async fn put_api_key(&self, _: ApiKey) -> Result<()> {
        unused()
    }
    async fn delete_api_key(&self, _: ApiKeyId) -> Result<()> {
        unused()
    }
    async fn users(&self) -> Result<Vec<User>> {
        unused()
    }
    async fn put_user(&self, _: User) -> Result<()> {
        unused()
    }
    async fn delete_user(&self, _: UserId) -> Result<()> {
        unused()
    }
    async fn put_session(&self, _: Session) -> Result<()> {
        unused()
    }
    async fn session(&self, _: [u8; 32]) -> Result<Option<(Session, User)>> {
        unused()
    }
    async fn note_session_use(&self, _: [u8; 32], _: Timestamp, _: Timestamp) -> Result<()> {
        unused()
    }
    async fn delete_session(&self, _: [u8; 32]) -> Result<()> {
        unused()
    }
    async fn note(&self, _: AuditEntry, _: Timestamp) -> Result<()> {
        Ok(())
    }
    async fn audit(&self, _: AuditFilter, _: PageRequest) -> Result<Page<AuditRecord>> {
        unused()
    }
}
