//! Attempts that are packed together are read and deleted one by one.
#![expect(clippy::unwrap_used, reason = "a test stops at the first problem")]

use std::{ops::RangeInclusive, path::Path, sync::Arc};

use bugle_model::{
    Attempt, DestinationId, IncidentStatus, IntegrationId, Verdict,
    delivery::{AttemptRequest, AttemptResponse, Reason},
    id::Id,
};
use bugle_store::{Next, PruneBefore, Settlement, Step, Store, conformance::sample};
use bugle_store_sqlite::{Options, SqliteStore};

/// Not a multiple of what a block holds at most.
const COUNT: i64 = 101;

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, Options::default()).unwrap()
}

/// A store with resolved incidents 1 to [`COUNT`]; the one delivery of each has the id of its incident and a thousand more.
async fn filled(folder: &Path) -> SqliteStore {
    let store = open(folder);
    let mut step = Step { at: sample::NOON, ..Step::default() };
    for id in 1..=COUNT {
        let mut incident = sample::incident(id, IntegrationId::from_i64(5));
        // Each a second older than the one before it.
        incident.resolved_at = Some(sample::after(1_000 - id));
        incident.status = IncidentStatus::Fixed;
        let event = sample::event(1_000 + id, &incident);
        step.deliveries.push(sample::delivery(1_000 + id, &event, DestinationId::from_i64(50)));
        step.events.push(event);
        step.incidents.push(incident);
    }
    store.commit(step).await.unwrap();
    store
}

/// What was sent in one try: of another length each time, and some of it larger than a block.
fn attempt(id: i64, number: u32) -> Arc<Attempt> {
    let repeated = if id % 40 == 0 { 20_000 } else { 100 + usize::try_from(id).unwrap() };
    let body = format!("{{\"id\":{id:04},\"try\":{number},\"text\":\"{}\"}}", "same ".repeat(repeated));
    let verdict = Verdict::Retry { reason: Reason::Status(503), after: None, throttle: false };
    let attempt = sample::attempt(sample::NOON, verdict).as_ref().clone();
    let request = AttemptRequest { body, ..attempt.request.clone() };
    let response = (id % 3 > 0).then(|| AttemptResponse {
        status: 503,
        headers: vec![("retry-after".to_owned(), "7".to_owned())],
        body: "später ☂".repeat(usize::try_from(id % 5).unwrap()),
        truncated: id % 2 == 0,
    });
    Arc::new(Attempt { number, request, response, ..attempt })
}

async fn settle(store: &SqliteStore, ids: RangeInclusive<i64>, number: u32, next: impl Fn() -> Next) {
    let settlement = |id| Settlement {
        delivery_id: Id::from_i64(1_000 + id),
        attempt: Some(attempt(id, number)),
        next: next(),
    };
    store.settle(ids.map(settlement).collect(), Vec::new()).await.unwrap();
}

fn later() -> Next {
    Next::RetryAt { at: sample::after(60), reason: "503".to_owned() }
}

async fn attempts(store: &SqliteStore, id: i64) -> Vec<Attempt> {
    store.delivery(Id::from_i64(1_000 + id)).await.unwrap().unwrap().1
}

fn ask(folder: &Path, question: &str) -> i64 {
    let connection = rusqlite::Connection::open(folder.join("bugle.db")).unwrap();
    connection.query_row(question, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn each_reads_back_however_many_were_recorded_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    settle(&store, 1..=COUNT, 1, later).await;
    for id in 1..=3 {
        settle(&store, id..=id, 2, later).await;
    }
    settle(&store, 1..=50, 3, || Next::Delivered).await;
    // Of those that are settled already nothing is recorded, though they are written with others.
    settle(&store, 40..=COUNT, 4, || Next::Delivered).await;
    for id in 1..=COUNT {
        let tries: &[u32] = match id {
            1..=3 => &[1, 2, 3],
            4..=50 => &[1, 3],
            _ => &[1, 4],
        };
        let read = attempts(&store, id).await;
        for ((place, read), number) in (1..).zip(&read).zip(tries) {
            assert_eq!(read, &Attempt { number: place, ..attempt(id, *number).as_ref().clone() });
        }
        assert_eq!(read.len(), tries.len(), "{id}");
    }
    let blocks = ask(folder.path(), "SELECT count(*) FROM attempt_block");
    assert!((6..25).contains(&blocks), "{blocks}");
}

#[tokio::test]
async fn one_of_an_earlier_version_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    settle(&store, 1..=COUNT, 1, later).await;
    let document = serde_json::to_string(attempt(7, 9).as_ref()).unwrap();
    rusqlite::Connection::open(folder.path().join("bugle.db"))
        .unwrap()
        .execute("UPDATE attempt SET document = ?1 WHERE delivery_id = 1007", [document])
        .unwrap();
    settle(&store, 1..=COUNT, 2, || Next::Delivered).await;
    let bodies: Vec<_> = attempts(&store, 7).await.into_iter().map(|attempt| attempt.request.body).collect();
    assert_eq!(bodies, [9, 2].map(|number| attempt(7, number).request.body.clone()));
}

#[tokio::test]
async fn a_block_goes_with_the_last_attempt_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    settle(&store, 1..=COUNT - 5, 1, || Next::Delivered).await;
    let blocks = || ask(folder.path(), "SELECT count(*) FROM attempt_block");
    let all = blocks();
    let prune = async |seconds| {
        let before = PruneBefore { receipts: None, incidents: Some(sample::after(seconds)) };
        while store.prune(before, 200).await.unwrap().more {}
    };
    // The latest attempts, but for a few that one block keeps. What is recorded next must not take their places.
    prune(1_000 - COUNT / 2).await;
    let half = blocks();
    assert!(0 < half && half < all, "{half} of {all}");
    settle(&store, COUNT - 4..=COUNT, 1, || Next::Delivered).await;
    for id in [1, 10, COUNT / 2, COUNT - 4, COUNT] {
        assert_eq!(attempts(&store, id).await.first().unwrap().request, attempt(id, 1).request);
    }
    let taken = "SELECT count(*) FROM attempt_block a JOIN attempt_block b \
        ON b.id > a.id AND b.id <= a.last_attempt_id";
    assert_eq!(ask(folder.path(), taken), 0);
    let lost = "SELECT count(*) FROM attempt a WHERE document = '' AND NOT EXISTS \
        (SELECT 1 FROM attempt_block WHERE a.id BETWEEN id AND last_attempt_id)";
    assert_eq!(ask(folder.path(), lost), 0);
    prune(1_000).await;
    assert_eq!((blocks(), ask(folder.path(), "SELECT count(*) FROM attempt")), (0, 0));
}
