//! All events in the order of their commits, for who follows them.

use bugle_model::{Cursor, Incident, IntegrationId};

use futures_util::future::{join, join_all};

use super::sample;
use crate::{Step, Store};

const OF: IntegrationId = IntegrationId::from_i64(5);
const COMMITTERS: i64 = 8;
/// Events of each committer.
const EACH: i64 = 25;

/// Commits the first event of a new incident, whose id is the event's as well.
async fn commit(store: &dyn Store, id: i64) {
    let incident = sample::incident(id, OF);
    let event = sample::event(id, &incident);
    let step = Step { at: sample::NOON, incidents: vec![incident], events: vec![event], ..Step::default() };
    store.commit(step).await.unwrap();
}

/// The ids of the events above a position, and where the last of them stands.
async fn above(store: &dyn Store, position: Cursor, limit: u32) -> (Vec<i64>, Cursor) {
    let events = store.events_after(position, limit).await.unwrap();
    let mut last = position;
    for committed in &events {
        assert!(committed.position.0 > last.0, "{committed:?} after {last:?}");
        last = committed.position;
    }
    (events.iter().map(|committed| committed.event.id.as_i64()).collect(), last)
}

/// An event with a smaller id that is committed later stands above, however often that happens.
pub async fn events_come_in_the_order_of_their_commits(store: &dyn Store) {
    assert_eq!(store.last_position().await.unwrap(), Cursor(0));
    assert_eq!(above(store, Cursor(0), 10).await, (Vec::new(), Cursor(0)));
    let mut seen = Vec::new();
    let mut position = Cursor(0);
    for id in [100, 90, 80, 101, 102, 200, 70] {
        commit(store, id).await;
        let (new, last) = above(store, position, 10).await;
        assert_eq!((new, store.last_position().await.unwrap()), (vec![id], last));
        position = last;
        seen.push(id);
    }
    assert_eq!(above(store, Cursor(0), 10).await, (seen.clone(), position));
    let (first, at) = above(store, Cursor(0), 3).await;
    let (second, at) = above(store, at, 3).await;
    let (rest, at) = above(store, at, 3).await;
    assert_eq!(([first, second, rest].concat(), at), (seen, position));
    // Of one step, in the step's order.
    let incident = sample::incident(300, OF);
    let events = [303, 302, 301]
        .into_iter()
        .zip(1..)
        .map(|(id, sequence)| sample::event(id, &Incident { sequence, ..incident.clone() }));
    let step = Step { events: events.collect(), incidents: vec![incident.clone()], ..Step::default() };
    store.commit(step).await.unwrap();
    assert_eq!(above(store, position, 10).await.0, [303, 302, 301]);
    let latest = store.latest_events(5).await.unwrap();
    let latest: Vec<_> = latest.iter().map(|event| event.id.as_i64()).collect();
    assert_eq!(latest, [301, 302, 303, 70, 200], "newest first");
}

/// Commits ids that interleave with those of the other committers.
async fn commit_each(store: &dyn Store, number: i64) {
    for turn in 0..EACH {
        commit(store, 1 + turn * COMMITTERS + (number * 5 + turn * 3) % COMMITTERS).await;
    }
}

/// Several committers whose ids interleave, and one who goes on from the last position it saw, as a client that resumes.
pub async fn who_reads_on_while_others_commit_misses_nothing(store: &dyn Store) {
    let reader = async {
        let (mut seen, mut position) = (Vec::new(), Cursor(0));
        while seen.len() < usize::try_from(COMMITTERS * EACH).unwrap() {
            let (new, last) = above(store, position, 7).await;
            seen.extend(new);
            position = last;
        }
        assert!(above(store, position, 7).await.0.is_empty());
        seen
    };
    let committers = join_all((0..COMMITTERS).map(|number| commit_each(store, number)));
    let (_, seen) = join(committers, reader).await;
    assert_eq!(above(store, Cursor(0), 1_000).await.0, seen);
    let mut ids = seen;
    ids.sort_unstable();
    assert_eq!(ids, (1..=COMMITTERS * EACH).collect::<Vec<_>>());
}
