//! Deliveries: in order, claimed once, settled once, counted, and sent again when somebody asks.

use bugle_model::{
    Delivery, DeliveryId, DeliveryState, DestinationId, Incident, IntegrationId, Timestamp, Verdict,
    delivery::Reason,
    destination::{Circuit, CircuitPhase},
    id::Id,
};

use DeliveryState::{Blocked, Dead, Pending};

use super::{ALL, sample};
use crate::{
    Backlog, Claim, DeliveryFilter, Next, PageRequest, RecoverFrom, Recovered, Room, Settlement, Step, Store,
};

const OF: IntegrationId = IntegrationId::from_i64(5);
const TO: DestinationId = DestinationId::from_i64(50);
const OTHER: DestinationId = DestinationId::from_i64(51);

/// Gives incident `incident` its next events, up to number `last`, each with one delivery to each destination. The
/// delivery of event n of incident i to the k-th destination has the id 100 i + 10 k + n.
async fn events(
    store: &dyn Store,
    incident: i64,
    numbers: std::ops::RangeInclusive<u32>,
    to: &[DestinationId],
) {
    for number in numbers {
        let changed = Incident { revision: number, sequence: number, ..sample::incident(incident, OF) };
        let event = sample::event(incident * 100 + i64::from(number), &changed);
        let deliveries = (0_i64..).zip(to).map(|(place, to)| {
            sample::delivery(incident * 100 + place * 10 + i64::from(number), &event, *to)
        });
        let at = sample::after(i64::from(number));
        let step = Step {
            at,
            deliveries: deliveries.collect(),
            incidents: vec![changed],
            events: vec![event],
            ..Step::default()
        };
        store.commit(step).await.unwrap();
    }
}

fn late() -> Timestamp {
    sample::after(1_000)
}

fn ids(claim: &Claim) -> Vec<i64> {
    claim.due.iter().map(|due| due.delivery.id.as_i64()).collect()
}

async fn claim(store: &dyn Store, to: DestinationId) -> Vec<i64> {
    ids(&store.claim_due(to, late(), sample::AMPLE).await.unwrap())
}

async fn recover(store: &dyn Store, from: RecoverFrom, limit: u32) -> Recovered {
    store.recover(TO, from, late(), limit).await.unwrap()
}

/// When the next retry is due, without claiming anything that is.
async fn next_retry_at(store: &dyn Store) -> Option<Timestamp> {
    let room = Room { first_tries: 0, retries: 1 };
    store.claim_due(TO, late(), room).await.unwrap().next_retry_at
}

async fn settle(store: &dyn Store, id: i64, next: Next) {
    let verdict = match &next {
        Next::Delivered => Some(Verdict::Delivered),
        Next::Dead { .. } => Some(Verdict::Rejected { reason: Reason::Status(400) }),
        Next::RetryAt { .. } => {
            Some(Verdict::Retry { reason: Reason::Timeout, after: None, throttle: false })
        }
        Next::Skipped { .. } => None,
    };
    let attempt = verdict.map(|verdict| sample::attempt(sample::after(100), verdict));
    let settlement = Settlement { delivery_id: Id::from_i64(id), attempt, next };
    store.settle(vec![settlement], Vec::new()).await.unwrap();
}

fn dead() -> Next {
    Next::Dead { reason: "status_400".to_owned() }
}

async fn read(store: &dyn Store, id: i64) -> Delivery {
    store.delivery(Id::from_i64(id)).await.unwrap().unwrap().0
}

/// The next one starts when the one before it is settled, whatever became of it; incidents do not wait for each other.
pub async fn deliveries_of_an_incident_go_in_order(store: &dyn Store) {
    events(store, 1, 1..=4, &[TO, OTHER]).await;
    events(store, 2, 1..=1, &[TO, OTHER]).await;
    for (to, expected) in [(TO, [101, 201]), (OTHER, [111, 211])] {
        let claimed = store.claim_due(to, late(), sample::AMPLE).await.unwrap();
        assert_eq!(ids(&claimed), expected);
        let events: Vec<_> = claimed.due.iter().map(|due| due.event.id.as_i64()).collect();
        assert_eq!(events, [101, 201], "each with its event");
    }
    assert_eq!(read(store, 102).await.state, DeliveryState::Blocked);
    settle(store, 101, Next::Delivered).await;
    assert_eq!(claim(store, TO).await, [102]);
    settle(store, 102, Next::Skipped { reason: "no word for it".to_owned() }).await;
    assert_eq!(claim(store, TO).await, [103]);
    settle(store, 103, dead()).await;
    assert_eq!(claim(store, TO).await, [104]);
    events(store, 2, 2..=2, &[TO]).await;
    assert_eq!(claim(store, TO).await, [0_i64; 0], "201 is still under way");
}

/// Released, it comes again at once; the room is kept; and a clock that was turned back delays no first try.
pub async fn a_claim_is_exclusive_until_it_is_given_back(store: &dyn Store) {
    for incident in 1..=3 {
        events(store, incident, 1..=1, &[TO]).await;
    }
    let two = Room { first_tries: 2, retries: 5 };
    assert_eq!(ids(&store.claim_due(TO, sample::NOON, two).await.unwrap()), [101, 201]);
    assert_eq!(claim(store, TO).await, [301]);
    assert_eq!(claim(store, TO).await, [0_i64; 0]);
    store.release(vec![Id::from_i64(201)]).await.unwrap();
    let none = Room { first_tries: 0, retries: 5 };
    assert_eq!(ids(&store.claim_due(TO, late(), none).await.unwrap()), [0_i64; 0]);
    assert_eq!(claim(store, TO).await, [201]);
}

/// A retry keeps its place before the incident's next event, and counts.
pub async fn a_retry_waits_for_its_time(store: &dyn Store) {
    events(store, 1, 1..=2, &[TO]).await;
    assert_eq!(next_retry_at(store).await, None);
    assert_eq!(claim(store, TO).await, [101]);
    settle(store, 101, Next::RetryAt { at: sample::after(2_000), reason: "timeout".to_owned() }).await;
    assert_eq!(claim(store, TO).await, [0_i64; 0]);
    assert_eq!(next_retry_at(store).await, Some(sample::after(2_000)));
    assert_eq!(ids(&store.claim_due(TO, sample::after(2_000), sample::AMPLE).await.unwrap()), [101]);
    assert_eq!(next_retry_at(store).await, None, "it is claimed");
    settle(store, 101, Next::Delivered).await;
    let (delivery, attempts) = store.delivery(Id::from_i64(101)).await.unwrap().unwrap();
    assert_eq!((delivery.state, delivery.attempts, delivery.reason), (DeliveryState::Delivered, 2, None));
    assert_eq!(delivery.settled_at, Some(Timestamp::from_millis(sample::after(100).as_millis() + 5)));
    let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!((numbers, &attempts[1].verdict), (vec![1, 2], &Verdict::Delivered));
    assert_eq!(claim(store, TO).await, [102]);
}

/// However many of one kind are due, the other is handed out too.
pub async fn neither_kind_hides_the_other(store: &dyn Store) {
    for incident in 1..=6 {
        events(store, incident, 1..=1, &[TO]).await;
    }
    let three = Room { first_tries: 3, retries: 3 };
    assert_eq!(ids(&store.claim_due(TO, late(), three).await.unwrap()), [101, 201, 301]);
    for (id, due_s) in [(101, 230), (201, 220), (301, 240)] {
        settle(store, id, Next::RetryAt { at: sample::after(due_s), reason: "timeout".to_owned() }).await;
    }
    let one = Room { first_tries: 1, retries: 1 };
    let claimed = store.claim_due(TO, sample::after(230), one).await.unwrap();
    assert_eq!((ids(&claimed), claimed.next_retry_at), (vec![401, 201], None), "there is no more room");
    let claimed = store.claim_due(TO, sample::after(230), three).await.unwrap();
    assert_eq!((ids(&claimed), claimed.next_retry_at), (vec![501, 601, 101], Some(sample::after(240))));
}

/// Whatever the delay was, nothing waits for a time that the clock may not show again for hours.
pub async fn retries_do_not_wait_for_a_clock_that_was_turned_back(store: &dyn Store) {
    for incident in 1..=4 {
        events(store, incident, 1..=1, &[TO]).await;
    }
    assert_eq!(claim(store, TO).await, [101, 201, 301, 401]);
    // They failed at 100 s. One had waited long already, one waits long because its receiver asked for it.
    for (id, due_s) in [(101, 110), (201, 40_000), (301, 5), (401, 120)] {
        settle(store, id, Next::RetryAt { at: sample::after(due_s), reason: "timeout".to_owned() }).await;
    }
    let room = |retries| Room { first_tries: 5, retries };
    let at = async |moment_s, retries| {
        let claimed = store.claim_due(TO, sample::after(moment_s), room(retries)).await.unwrap();
        store.release(claimed.due.iter().map(|due| due.delivery.id).collect()).await.unwrap();
        (ids(&claimed), claimed.next_retry_at.map(|at| at.since(sample::NOON).as_secs()))
    };
    // (now, room for retries, what is due, when the next one is)
    for (now_s, retries, due, next_s) in [
        (105, 9, vec![301], Some(110)),
        (110, 9, vec![301, 101], Some(120)),
        (100, 9, vec![301], Some(110)),
        (90, 9, vec![101, 201, 301, 401], None),
        (1, 9, vec![101, 201, 301, 401], None),
        (1, 3, vec![101, 201, 301], None),
        (105, 1, vec![301], None),
        (40_000, 9, vec![301, 101, 401, 201], None),
    ] {
        assert_eq!(at(now_s, retries).await, (due, next_s), "{now_s} s, room for {retries}");
    }
    // What is under way is not found again, and one that fails again is scheduled by the clock as it is now.
    assert_eq!(ids(&store.claim_due(TO, sample::after(1), room(2)).await.unwrap()), [101, 201]);
    let attempt = Some(sample::attempt(sample::after(1), Verdict::Gone));
    let next = Next::RetryAt { at: sample::after(50), reason: "timeout".to_owned() };
    store
        .settle(vec![Settlement { delivery_id: Id::from_i64(101), attempt, next }], Vec::new())
        .await
        .unwrap();
    assert_eq!(at(2, 9).await, (vec![301, 401], Some(50)));
}

/// Not even if it was sent again, or waited behind another one, at a time that is still to come.
pub async fn what_is_sent_again_does_not_wait_for_a_clock_that_was_turned_back(store: &dyn Store) {
    events(store, 1, 1..=2, &[TO]).await;
    for id in [101, 102] {
        assert_eq!(claim(store, TO).await, [id]);
        settle(store, id, dead()).await;
    }
    for id in [101, 102] {
        assert!(store.redeliver(Id::from_i64(id), late()).await.unwrap());
    }
    let early = async || ids(&store.claim_due(TO, Timestamp::from_millis(0), sample::AMPLE).await.unwrap());
    assert_eq!(early().await, [101]);
    settle(store, 101, Next::Delivered).await;
    assert_eq!(early().await, [102], "it was created at a time that is still to come");
}

/// With a fresh retry budget and its attempts numbered on.
pub async fn a_dead_delivery_blocks_nobody_and_can_be_sent_again(store: &dyn Store) {
    events(store, 1, 1..=1, &[TO]).await;
    assert!(!store.redeliver(Id::from_i64(101), late()).await.unwrap(), "it is not settled");
    assert!(!store.redeliver(Id::from_i64(999), late()).await.unwrap(), "it is not known");
    assert_eq!(claim(store, TO).await, [101]);
    settle(store, 101, dead()).await;
    assert_eq!(read(store, 101).await.reason.as_deref(), Some("status_400"));
    events(store, 1, 2..=2, &[TO]).await;
    assert_eq!(claim(store, TO).await, [102]);
    settle(store, 102, Next::Delivered).await;
    assert!(store.redeliver(Id::from_i64(101), late()).await.unwrap());
    assert!(!store.redeliver(Id::from_i64(101), late()).await.unwrap());
    let again = read(store, 101).await;
    assert_eq!((again.state, again.attempts, again.attempts_forgiven), (DeliveryState::Pending, 1, 1));
    assert_eq!((again.settled_at, again.next_attempt_at), (None, Some(late())));
    assert_eq!(claim(store, TO).await, [101]);
    settle(store, 101, Next::Delivered).await;
    assert_eq!(store.delivery(Id::from_i64(101)).await.unwrap().unwrap().1.len(), 2);
}

/// It waits only for those before it, and what has begun goes on.
pub async fn an_old_delivery_sent_again_goes_before_younger_ones(store: &dyn Store) {
    events(store, 1, 1..=5, &[TO]).await;
    for id in [101, 102, 103] {
        assert_eq!(claim(store, TO).await, [id]);
        settle(store, id, dead()).await;
    }
    assert_eq!(claim(store, TO).await, [104]);
    assert!(store.redeliver(Id::from_i64(102), late()).await.unwrap());
    assert!(store.redeliver(Id::from_i64(103), late()).await.unwrap());
    assert_eq!(read(store, 103).await.state, DeliveryState::Blocked);
    assert_eq!(claim(store, TO).await, [102]);
    settle(store, 104, Next::Delivered).await;
    assert_eq!(claim(store, TO).await, [0_i64; 0], "105 waits for 102 and 103");
    settle(store, 102, Next::Delivered).await;
    assert_eq!(claim(store, TO).await, [103]);
    settle(store, 103, Next::Delivered).await;
    assert_eq!(claim(store, TO).await, [105]);
}

/// Oldest first, from a moment on, so many at once, and in order for each incident.
pub async fn dead_deliveries_are_recovered_in_order(store: &dyn Store) {
    events(store, 1, 1..=4, &[TO, OTHER]).await;
    for id in 101..=104 {
        assert_eq!(claim(store, TO).await, [id]);
        settle(store, id, dead()).await;
    }
    let count = |since, limit| store.count_dead(TO, since, limit);
    assert_eq!(count(sample::NOON, 100).await.unwrap(), 4);
    assert_eq!(count(sample::after(2), 100).await.unwrap(), 3);
    assert_eq!(count(sample::NOON, 2).await.unwrap(), 2, "counted no further than asked");
    let second = RecoverFrom::since(sample::after(2));
    let rest = RecoverFrom { created_at: sample::after(3), after: Id::from_i64(103) };
    assert_eq!(recover(store, second, 2).await, Recovered { count: 2, rest: Some(rest) });
    assert_eq!(claim(store, TO).await, [102]);
    assert_eq!(read(store, 103).await.state, DeliveryState::Blocked);
    assert_eq!(read(store, 101).await.state, DeliveryState::Dead);
    settle(store, 102, dead()).await;
    assert_eq!(claim(store, TO).await, [103]);
    let last = Recovered { count: 1, rest: None };
    assert_eq!(recover(store, rest, 2).await, last, "what died again meanwhile is behind it");
    assert_eq!(read(store, 104).await.state, DeliveryState::Blocked);
    let all = RecoverFrom::since(sample::NOON);
    assert_eq!(recover(store, all, 100).await.count, 2);
    let mut claimed = claim(store, TO).await;
    claimed.sort_unstable();
    assert_eq!(claimed, [101], "102 waits for 101, which comes before 103, which had begun");
    assert_eq!(recover(store, all, 100).await, Recovered { count: 0, rest: None });
    assert_eq!(count(sample::NOON, 100).await.unwrap(), 0);
}

/// Per destination, with the age of the oldest, through everything that settles and revives.
pub async fn the_backlog_counts_what_is_unsettled(store: &dyn Store) {
    events(store, 1, 1..=3, &[TO, OTHER]).await;
    let backlog = async |to: DestinationId| -> Option<(u64, Option<Timestamp>)> {
        let all: Vec<Backlog> = store.backlog().await.unwrap();
        all.into_iter().find(|of| of.destination_id == to).map(|of| (of.unsettled, of.oldest))
    };
    assert_eq!(backlog(TO).await, Some((3, Some(sample::after(1)))));
    claim(store, TO).await;
    settle(store, 101, dead()).await;
    assert_eq!(backlog(TO).await, Some((2, Some(sample::after(2)))));
    assert_eq!(backlog(OTHER).await, Some((3, Some(sample::after(1)))));
    store.redeliver(Id::from_i64(101), late()).await.unwrap();
    assert_eq!(backlog(TO).await, Some((3, Some(sample::after(1)))));
    for id in [101, 102, 103] {
        settle(store, id, Next::Delivered).await;
    }
    assert_eq!(backlog(TO).await.unwrap_or_default(), (0, None));
}

/// Without those of one platform's incidents, and only of that destination.
pub async fn the_oldest_unsettled_of_others_is_told(store: &dyn Store) {
    events(store, 1, 1..=1, &[TO]).await;
    let other = Incident { platform: "bugle".to_owned(), ..sample::incident(2, OF) };
    let event = sample::event(201, &other);
    let deliveries = vec![sample::delivery(201, &event, OTHER), sample::delivery(202, &event, TO)];
    let step =
        Step { at: sample::NOON, incidents: vec![other], events: vec![event], deliveries, ..Step::default() };
    store.commit(step).await.unwrap();
    let oldest = async |to, except: &str| store.oldest_unsettled(to, except).await.unwrap();
    assert_eq!(oldest(TO, "bugle").await, Some(sample::after(1)));
    assert_eq!(oldest(TO, "").await, Some(sample::after(1)), "the first one that was created");
    assert_eq!(oldest(OTHER, "bugle").await, None);
    claim(store, TO).await;
    settle(store, 101, Next::Delivered).await;
    assert_eq!(oldest(TO, "bugle").await, None);
    assert_eq!(oldest(TO, "").await, Some(sample::NOON));
}

/// What waited for it stays where it is.
pub async fn a_deleted_destination_is_sent_nothing(store: &dyn Store) {
    store.put_destination(sample::destination(50)).await.unwrap();
    events(store, 1, 1..=2, &[TO]).await;
    assert_eq!(claim(store, TO).await, [101]);
    settle(store, 101, dead()).await;
    store.delete_destination(TO, late()).await.unwrap();
    assert_eq!(claim(store, TO).await, [0_i64; 0]);
    assert!(!store.redeliver(Id::from_i64(101), late()).await.unwrap());
    assert_eq!(recover(store, RecoverFrom::since(sample::NOON), 10).await.count, 0);
    assert_eq!(store.count_dead(TO, sample::NOON, 10).await.unwrap(), 0);
    assert!(store.backlog().await.unwrap().iter().all(|of| of.destination_id != TO));
    assert_eq!(read(store, 102).await.state, DeliveryState::Pending);
}

/// Neither a second outcome nor one for an unknown delivery leaves a trace, and the circuits are stored all the same.
pub async fn settling_twice_changes_nothing(store: &dyn Store) {
    store.put_destination(sample::destination(50)).await.unwrap();
    events(store, 1, 1..=1, &[TO]).await;
    claim(store, TO).await;
    settle(store, 101, Next::Delivered).await;
    let before = store.delivery(Id::from_i64(101)).await.unwrap();
    settle(store, 101, dead()).await;
    settle(store, 101, Next::RetryAt { at: late(), reason: "timeout".to_owned() }).await;
    settle(store, 999, Next::Delivered).await;
    assert_eq!(store.delivery(Id::from_i64(101)).await.unwrap(), before);
    assert_eq!(store.backlog().await.unwrap()[0].unsettled, 0);
    let open = Circuit { phase: CircuitPhase::Open, consecutive_failures: 10, ..Circuit::default() };
    store.settle(Vec::new(), vec![(TO, open)]).await.unwrap();
    assert_eq!(store.destinations().await.unwrap()[0].1, open);
}

/// Newest first, each filter alone and together.
pub async fn deliveries_are_filtered(store: &dyn Store) {
    events(store, 1, 1..=2, &[TO, OTHER]).await;
    events(store, 2, 1..=1, &[TO]).await;
    claim(store, TO).await;
    settle(store, 101, dead()).await;
    let listed = async |to: Option<i64>, state: Option<DeliveryState>, of: Option<i64>| -> Vec<i64> {
        let filter =
            DeliveryFilter { destination_id: to.map(Id::from_i64), state, incident_id: of.map(Id::from_i64) };
        let page = store.deliveries(filter, ALL).await.unwrap();
        page.data.iter().map(|delivery| DeliveryId::as_i64(delivery.id)).collect()
    };
    assert_eq!(listed(None, None, None).await, [201, 112, 111, 102, 101]);
    assert_eq!(listed(Some(50), None, None).await, [201, 102, 101]);
    assert_eq!(listed(None, None, Some(1)).await, [112, 111, 102, 101]);
    assert_eq!(listed(Some(51), None, Some(1)).await, [112, 111]);
    assert_eq!(listed(None, Some(Pending), None).await, [201, 111, 102]);
    for limit in 1..=3 {
        let filter = DeliveryFilter { state: Some(Pending), ..DeliveryFilter::default() };
        let (mut seen, mut page) = (Vec::new(), PageRequest { cursor: None, limit });
        loop {
            let part = store.deliveries(filter, page).await.unwrap();
            seen.extend(part.data.iter().map(|delivery| DeliveryId::as_i64(delivery.id)));
            page.cursor = part.next_cursor;
            if page.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, [201, 111, 102], "{limit} at a time");
    }
    assert_eq!(listed(Some(51), Some(Blocked), None).await, [112]);
    assert_eq!(listed(Some(50), Some(Pending), None).await, [201, 102]);
    assert_eq!(listed(Some(50), Some(Blocked), None).await, [0_i64; 0]);
    assert_eq!(listed(None, Some(Dead), None).await, [101]);
    assert_eq!(listed(Some(50), Some(Dead), None).await, [101]);
    assert_eq!(listed(Some(51), Some(Dead), None).await, [0_i64; 0]);
    assert_eq!(listed(Some(50), Some(Dead), Some(1)).await, [101]);
}
