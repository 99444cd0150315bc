//! Retention: what is old goes with all that is its own, in small steps; what still matters stays however old it is.

use bugle_model::{
    Alert, AlertStatus, Cursor, DestinationId, Event, Incident, IncidentStatus, IntegrationId, Receipt,
    ReceiptState, Timestamp, Verdict, id::Id,
};

use super::{ALL, sample};
use crate::{
    IncidentFilter, Next, PruneBefore, Pruned, ReceiptFilter, ReceiptOutcome, Settlement, Step, Store,
};

const OF: IntegrationId = IntegrationId::from_i64(5);
const TO: DestinationId = DestinationId::from_i64(50);

/// More steps than any check takes.
const STEPS_MAX: usize = 1_000;

/// What happened at noon is old; what happened an hour later is not.
fn old() -> PruneBefore {
    PruneBefore { receipts: Some(bound()), incidents: Some(bound()) }
}

fn bound() -> Timestamp {
    sample::after(1_800)
}

fn young() -> Timestamp {
    sample::after(3_600)
}

/// Steps until there is nothing left to do, and what they deleted together.
async fn prune(store: &dyn Store, before: PruneBefore) -> (u32, u32) {
    let (mut receipts, mut incidents) = (0, 0);
    for step in 0_usize.. {
        assert!(step < STEPS_MAX, "retention comes to no end");
        let pruned = store.prune(before, 200).await.unwrap();
        receipts += pruned.receipts;
        incidents += pruned.incidents;
        if !pruned.more {
            break;
        }
    }
    (receipts, incidents)
}

async fn receipt(store: &dyn Store, id: i64, received_at: Timestamp, state: ReceiptState) {
    let kept = match state {
        ReceiptState::Rejected => sample::rejected(id, OF),
        _ => sample::receipt(id, OF),
    };
    store.append(Receipt { received_at, ..kept }).await.unwrap();
    if !matches!(state, ReceiptState::Rejected | ReceiptState::Pending) {
        store.commit(dealt_with(id, state)).await.unwrap();
    }
}

fn dealt_with(id: i64, state: ReceiptState) -> Step {
    let outcome = ReceiptOutcome { id: Id::from_i64(id), state, problem: None, signals: Vec::new() };
    Step { receipts: vec![outcome], ..Step::default() }
}

async fn receipts(store: &dyn Store) -> Vec<i64> {
    let page = store.receipts(ReceiptFilter::default(), ALL).await.unwrap();
    page.data.iter().map(|receipt| receipt.id.as_i64()).collect()
}

/// Keeps an incident with so many events, a delivery of each, and this status. The n-th event and its delivery have the
/// id 100 times the incident's and n.
async fn incident(store: &dyn Store, id: i64, resolved_at: Option<Timestamp>, events: u32) -> Incident {
    let mut incident = sample::incident(id, OF);
    for number in 1..=events {
        (incident.revision, incident.sequence) = (number, number);
        if number == events && resolved_at.is_some() {
            (incident.status, incident.resolved_at) = (IncidentStatus::Fixed, resolved_at);
        }
        let event = sample::event(id * 100 + i64::from(number), &incident);
        let delivery = sample::delivery(event.id.as_i64(), &event, TO);
        let step = Step {
            at: sample::NOON,
            deliveries: vec![delivery],
            events: vec![event],
            incidents: vec![incident.clone()],
            ..Step::default()
        };
        store.commit(step).await.unwrap();
    }
    incident
}

async fn settle(store: &dyn Store, delivery: i64, next: Next) {
    let attempt = Some(sample::attempt(sample::NOON, Verdict::Delivered));
    let settlement = Settlement { delivery_id: Id::from_i64(delivery), attempt, next };
    store.settle(vec![settlement], Vec::new()).await.unwrap();
}

async fn settle_all(store: &dyn Store, incident: &Incident) {
    for number in 1..=i64::from(incident.sequence) {
        settle(store, incident.id.as_i64() * 100 + number, Next::Delivered).await;
    }
}

async fn incidents(store: &dyn Store, query: Option<&str>) -> Vec<i64> {
    let filter = IncidentFilter { query: query.map(str::to_owned), ..IncidentFilter::default() };
    let page = store.incidents(filter, ALL).await.unwrap();
    page.data.iter().map(|incident| incident.id.as_i64()).collect()
}

async fn timeline(store: &dyn Store, id: i64) -> Vec<Event> {
    store.timeline(Id::from_i64(id), ALL).await.unwrap().data
}

async fn unsettled(store: &dyn Store) -> u64 {
    store.backlog().await.unwrap().iter().map(|backlog| backlog.unsettled).sum()
}

/// Whatever became of them; one that is pending stays however old it is.
pub async fn old_receipts_go_once_they_are_dealt_with(store: &dyn Store) {
    receipt(store, 1, sample::NOON, ReceiptState::Processed).await;
    receipt(store, 2, sample::NOON, ReceiptState::Pending).await;
    receipt(store, 3, sample::NOON, ReceiptState::Rejected).await;
    receipt(store, 4, young(), ReceiptState::Processed).await;
    receipt(store, 5, sample::NOON, ReceiptState::Undecodable).await;
    receipt(store, 6, sample::NOON, ReceiptState::Ignored).await;
    receipt(store, 7, bound(), ReceiptState::Rejected).await;
    assert_eq!(prune(store, old()).await, (4, 0));
    assert_eq!(receipts(store).await, [7, 4, 2]);
    assert!(store.receipt(Id::from_i64(1)).await.unwrap().is_none());
    assert_eq!(store.pending_ids(10).await.unwrap()[0].as_i64(), 2);
    store.commit(dealt_with(2, ReceiptState::Processed)).await.unwrap();
    assert_eq!(prune(store, old()).await, (1, 0));
    assert_eq!(receipts(store).await, [7, 4]);
    assert_eq!(prune(store, old()).await, (0, 0));
    receipt(store, 8, sample::NOON, ReceiptState::Processed).await;
    assert_eq!(prune(store, old()).await, (1, 0), "those before it came while the clock was ahead");
}

/// A receipt that is gone is no original any more, and is not looked for when somebody asks for it again.
pub async fn a_pruned_senders_id_is_new_again(store: &dyn Store) {
    let named =
        |id, received_at| Receipt { received_at, senders_id: Some([7; 16]), ..sample::receipt(id, OF) };
    store.append(named(1, sample::NOON)).await.unwrap();
    store.commit(dealt_with(1, ReceiptState::Processed)).await.unwrap();
    let again = store.append(named(2, sample::NOON)).await.unwrap();
    assert_eq!(again.duplicate_of, Some(Id::from_i64(1)));
    assert_eq!(prune(store, old()).await, (2, 0));
    assert_eq!(store.append(named(3, young())).await.unwrap().duplicate_of, None);
    store.commit(dealt_with(1, ReceiptState::Processed)).await.unwrap();
    assert_eq!(receipts(store).await, [3]);
}

/// Timeline, deliveries, attempts, alerts and words; nothing of its neighbours'.
pub async fn old_resolved_incidents_go_with_all_that_is_theirs(store: &dyn Store) {
    let gone = incident(store, 1, Some(sample::NOON), 3).await;
    let open = incident(store, 2, None, 2).await;
    let fresh = incident(store, 3, Some(young()), 2).await;
    let mut alerts = Vec::new();
    for (incident, status) in
        [(&gone, AlertStatus::Resolved), (&open, AlertStatus::Firing), (&fresh, AlertStatus::Resolved)]
    {
        settle_all(store, incident).await;
        alerts.push(Alert { status, ..sample::alert(incident.id.as_i64() + 10, incident) });
    }
    let keys: Vec<_> = alerts.iter().map(|alert| (OF, alert.fingerprint.clone())).collect();
    store.commit(Step { alerts, ..Step::default() }).await.unwrap();
    assert_eq!(prune(store, old()).await, (0, 1));
    assert_eq!(incidents(store, None).await, [3, 2]);
    assert_eq!(incidents(store, Some("queue")).await, [3, 2]);
    assert!(store.incident(gone.id).await.unwrap().is_none());
    assert_eq!((timeline(store, 1).await.len(), timeline(store, 2).await.len()), (0, 2));
    assert!(store.delivery(Id::from_i64(101)).await.unwrap().is_none());
    assert_eq!(store.delivery(Id::from_i64(201)).await.unwrap().unwrap().1.len(), 1);
    let left = store.alerts_by_key(keys).await.unwrap();
    assert_eq!(left.iter().map(|alert| alert.id.as_i64()).collect::<Vec<_>>(), [12, 13]);
    let told = store.events_after(Cursor(0), 100).await.unwrap();
    assert!(told.len() == 4 && told.iter().all(|one| one.event.incident_id != gone.id));
    let reused = Incident { grouping_key: gone.grouping_key.clone(), ..sample::incident(9, OF) };
    store.commit(Step { incidents: vec![reused], ..Step::default() }).await.unwrap();
}

/// A delivery that is pending or blocked; a dead one does not wait. Those behind go all the same.
pub async fn what_waits_keeps_its_incident(store: &dyn Store) {
    let waiting = incident(store, 1, Some(sample::NOON), 3).await;
    let behind = incident(store, 2, Some(sample::after(1)), 1).await;
    settle(store, 101, Next::Delivered).await;
    settle_all(store, &behind).await;
    let before = PruneBefore { receipts: None, ..old() };
    let mut gone = 0;
    for _ in 0..STEPS_MAX {
        let pruned = store.prune(before, 1).await.unwrap();
        gone += pruned.incidents;
        if !pruned.more {
            break;
        }
    }
    assert_eq!((gone, incidents(store, None).await), (1, vec![1]));
    assert_eq!((timeline(store, 1).await.len(), unsettled(store).await), (3, 2));
    assert_eq!(store.claim_due(TO, young(), sample::AMPLE).await.unwrap().due[0].event.id.as_i64(), 102);
    settle(store, 102, Next::Dead { reason: "status_400".to_owned() }).await;
    assert_eq!(prune(store, old()).await, (0, 0));
    settle(store, 103, Next::Delivered).await;
    assert_eq!(prune(store, old()).await, (0, 1));
    assert!(store.incident(waiting.id).await.unwrap().is_none());
    assert_eq!(unsettled(store).await, 0);
}

/// It is never sent.
pub async fn what_a_deleted_destination_would_get_keeps_nothing(store: &dyn Store) {
    store.put_destination(sample::destination(TO.as_i64())).await.unwrap();
    incident(store, 1, Some(sample::NOON), 2).await;
    assert_eq!(prune(store, old()).await, (0, 0));
    store.delete_destination(TO, young()).await.unwrap();
    assert_eq!(prune(store, old()).await, (0, 1));
    assert!(store.delivery(Id::from_i64(101)).await.unwrap().is_none());
}

/// An alert goes with the incident it belongs to now. What its source still speaks of is known, without an incident.
pub async fn alerts_that_moved_on_or_still_fire_stay(store: &dyn Store) {
    let first = incident(store, 1, Some(sample::NOON), 1).await;
    settle_all(store, &first).await;
    let second = incident(store, 2, None, 1).await;
    let resolved =
        Alert { status: AlertStatus::Resolved, last_seen_at: young(), ..sample::alert(11, &first) };
    let moved = sample::alert(12, &first);
    let fires = Alert { last_seen_at: young(), ..sample::alert(13, &first) };
    let silent = sample::alert(14, &first);
    let alerts = vec![resolved, moved.clone(), fires, silent];
    let keys: Vec<_> = alerts.iter().map(|alert| (OF, alert.fingerprint.clone())).collect();
    store.commit(Step { alerts, ..Step::default() }).await.unwrap();
    let moved = Alert { incident_id: Some(second.id), ..moved };
    store.commit(Step { alerts: vec![moved], ..Step::default() }).await.unwrap();
    assert_eq!(prune(store, old()).await, (0, 1));
    let left = store.alerts_by_key(keys).await.unwrap();
    let left: Vec<_> = left.iter().map(|alert| (alert.id.as_i64(), alert.incident_id)).collect();
    assert_eq!(left, [(12, Some(second.id)), (13, None)]);
    assert_eq!(store.alerts_of(second.id, ALL).await.unwrap().data.len(), 1);
}

/// No step deletes more than it was allowed to, of an incident with a long timeline neither; and nothing is forgotten.
pub async fn a_step_is_small_and_steps_reach_the_end(store: &dyn Store) {
    for id in 1..=25 {
        receipt(store, id, sample::NOON, ReceiptState::Processed).await;
    }
    let long = incident(store, 1, Some(sample::NOON), 30).await;
    settle_all(store, &long).await;
    let (mut receipts_left, mut events_left, mut steps) = (25, 30, 0);
    loop {
        let Pruned { receipts: pruned, more, .. } = store.prune(old(), 10).await.unwrap();
        let (receipts_now, events_now) = (receipts(store).await.len(), timeline(store, 1).await.len());
        assert!(pruned <= 10 && receipts_left - receipts_now <= 10 && events_left - events_now <= 10);
        let deliveries = (1..=30).map(|number| store.delivery(Id::from_i64(100 + number)));
        for delivery in deliveries {
            assert!(delivery.await.unwrap().is_none() || events_now == 30, "its event is gone");
        }
        (receipts_left, events_left, steps) = (receipts_now, events_now, steps + 1);
        if !more {
            break;
        }
        assert!(steps < STEPS_MAX);
    }
    assert_eq!((receipts_left, events_left, incidents(store, None).await), (0, 0, vec![]));
    assert!(steps >= 9, "{steps}: 30 deliveries with their attempts and 30 events");
}

/// Each kind by itself.
pub async fn without_a_moment_all_stay(store: &dyn Store) {
    receipt(store, 1, sample::NOON, ReceiptState::Processed).await;
    let over = incident(store, 1, Some(sample::NOON), 1).await;
    settle_all(store, &over).await;
    assert_eq!(prune(store, PruneBefore { receipts: None, incidents: None }).await, (0, 0));
    assert_eq!(prune(store, PruneBefore { receipts: None, ..old() }).await, (0, 1));
    assert_eq!(prune(store, PruneBefore { incidents: None, ..old() }).await, (1, 0));
}

/// Or an id could be given out twice.
pub async fn an_instance_remembers_its_largest_id(store: &dyn Store) {
    receipt(store, 70_000, sample::NOON, ReceiptState::Processed).await;
    assert_eq!(prune(store, old()).await, (1, 0));
    assert_eq!(store.instance().await.unwrap().id_floor, 70_000);
    let over = incident(store, 800, Some(sample::NOON), 1).await;
    settle_all(store, &over).await;
    assert_eq!(prune(store, old()).await, (0, 1));
    assert_eq!(store.instance().await.unwrap().id_floor, 80_001);
}
