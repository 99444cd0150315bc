//! The data folder: who may read it, who may open it, and what is still there afterwards.
#![expect(clippy::unwrap_used, reason = "a test stops at the first problem")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bugle_model::{IntegrationId, Receipt, ReceiptId, ReceiptState};
use bugle_store::{PageRequest, PruneBefore, ReceiptFilter, Step, Store, conformance::sample};
use bugle_store_sqlite::{OpenError, Options, SqliteStore};

fn open(folder: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(folder, Options::default())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_its_owner_may_read_it() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("made/here");
    let store = open(&folder).unwrap();
    store.ping().await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_owned());
    }
    assert!(names.iter().any(|name| name == "bugle.db-wal"), "{names:?}");
}

#[test]
fn a_folder_is_opened_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    let refusal = open(folder.path()).unwrap_err();
    assert!(matches!(refusal, OpenError::InUse { .. }));
    assert!(refusal.to_string().contains("in use by another Bugle"), "{refusal}");
    drop(first);
    open(folder.path()).unwrap();
}

#[test]
fn what_is_no_folder_or_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    assert!(matches!(open(&file), Err(OpenError::Folder { .. })));
    fs::write(
        folder.path().join("bugle.db"),
        "this is a text and no database, and long enough to be sure of it",
    )
    .unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::Database(_))));
}

#[tokio::test]
async fn a_claim_does_not_survive_and_the_rest_does() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let incident = sample::incident(1, IntegrationId::from_i64(5));
    let event = sample::event(2, &incident);
    let delivery = sample::delivery(3, &event, bugle_model::DestinationId::from_i64(4));
    let to = delivery.destination_id;
    let step = Step {
        at: sample::NOON,
        incidents: vec![incident],
        events: vec![event],
        deliveries: vec![delivery],
        ..Step::default()
    };
    store.commit(step).await.unwrap();
    let key = store.instance().await.unwrap().seal_key;
    assert_eq!(store.claim_due(to, sample::after(1), sample::AMPLE).await.unwrap().due.len(), 1);
    assert_eq!(store.claim_due(to, sample::after(1), sample::AMPLE).await.unwrap().due.len(), 0);
    drop(store);
    let store = open(folder.path()).unwrap();
    assert_eq!(store.claim_due(to, sample::after(1), sample::AMPLE).await.unwrap().due.len(), 1);
    assert_eq!(store.instance().await.unwrap().seal_key, key);
}

/// A caller that goes away, at whatever moment, takes no claim with it.
#[tokio::test]
async fn a_claim_that_nobody_waited_for_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let incident = sample::incident(1, IntegrationId::from_i64(5));
    let event = sample::event(2, &incident);
    let delivery = sample::delivery(3, &event, bugle_model::DestinationId::from_i64(4));
    let to = delivery.destination_id;
    let step = Step {
        incidents: vec![incident],
        events: vec![event],
        deliveries: vec![delivery],
        ..Step::default()
    };
    store.commit(step).await.unwrap();
    for wait_us in (0..200).step_by(5) {
        let claim = store.claim_due(to, sample::NOON, sample::AMPLE);
        let claimed = tokio::time::timeout(Duration::from_micros(wait_us), claim).await;
        if let Ok(claimed) = claimed {
            store.release(claimed.unwrap().due.iter().map(|due| due.delivery.id).collect()).await.unwrap();
        }
    }
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    while store.claim_due(to, sample::NOON, sample::AMPLE).await.unwrap().due.is_empty() {
        assert!(tokio::time::Instant::now() < end, "the claim is lost");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_undone_has_no_duplicate() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let of = IntegrationId::from_i64(5);
    let disk = rusqlite::Connection::open(folder.path().join("bugle.db")).unwrap();
    // As when the disk is full: the whole transaction is undone.
    disk.execute_batch(
        "CREATE TRIGGER full AFTER INSERT ON receipt BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END",
    )
    .unwrap();
    // So large that it goes to the database at once.
    let receipt = |id| Receipt { body: vec![7; 100_000], ..sample::receipt(id, of) };
    store.append(receipt(1)).await.unwrap_err();
    disk.execute_batch("DROP TRIGGER full").unwrap();
    let second = store.append(receipt(2)).await.unwrap();
    assert_eq!(second.duplicate_of, None);
    let third = store.append(receipt(3)).await.unwrap();
    assert_eq!(third.duplicate_of, Some(ReceiptId::from_i64(2)));
}

/// Whoever looks for pending receipts passes over none of those that never were or are not any more, however many came since.
#[tokio::test]
async fn what_is_dealt_with_is_behind_the_mark() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let of = IntegrationId::from_i64(5);
    let database = rusqlite::Connection::open(folder.path().join("bugle.db")).unwrap();
    let dealt_with_above = || -> i64 {
        let count =
            "SELECT count(*) FROM receipt_outcome WHERE receipt_id >= (SELECT inbox_mark FROM instance)";
        database.query_row(count, [], |row| row.get(0)).unwrap()
    };
    let named = |id| Receipt { senders_id: Some([7; 16]), ..sample::receipt(id, of) };
    store.append(named(1)).await.unwrap();
    store.commit(sample::processed([1])).await.unwrap();
    assert_eq!(dealt_with_above(), 0);
    for id in 2..=20 {
        assert!(store.append(named(id)).await.unwrap().duplicate_of.is_some());
        store.append(sample::rejected(100 + id, of)).await.unwrap();
    }
    assert_eq!(dealt_with_above(), 0);
    assert!(store.pending_ids(10).await.unwrap().is_empty());
}

/// Ids are given once. Should one ever be given twice, the second call is not kept, and not answered as if it were.
#[tokio::test]
async fn an_id_that_is_taken_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.append(sample::rejected(1, IntegrationId::from_i64(5))).await.unwrap();
    store.append(sample::rejected(1, IntegrationId::from_i64(6))).await.unwrap_err();
    let (kept, _) = store.receipt(ReceiptId::from_i64(1)).await.unwrap().unwrap();
    assert_eq!(kept.integration_id.as_i64(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_short_under_load_and_everything_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()).unwrap());
    let of = IntegrationId::from_i64(5);
    let tasks: Vec<_> = (0..8_i64)
        .map(|task| {
            let store = Arc::clone(&store);
            let work = async move {
                for number in 0..100 {
                    let mut receipt = sample::receipt(task * 1_000 + number, of);
                    receipt.body = vec![7; 200_000];
                    store.append(receipt).await.unwrap();
                }
            };
            #[expect(clippy::disallowed_methods, reason = "a test waits for its tasks itself")]
            tokio::spawn(work)
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let log = fs::metadata(folder.path().join("bugle.db-wal")).unwrap().size();
    let database = fs::metadata(folder.path().join("bugle.db")).unwrap().size();
    assert!(database > 80_000_000, "{database}: pages are copied while appends go on");
    assert!(log < 120_000_000, "{log}: the log begins anew");
    let oldest = store.pending_ids(1).await.unwrap();
    assert_eq!(store.pending_of(oldest).await.unwrap()[0].body.len(), 200_000);
    assert_eq!(
        store.receipt(bugle_model::id::Id::from_i64(7_099)).await.unwrap().unwrap().0.body.len(),
        200_000
    );
}

async fn pruned_to_the_end(store: &SqliteStore, before: PruneBefore) -> u32 {
    let mut receipts = 0;
    for step in 0_u32.. {
        assert!(step < 100_000, "retention comes to no end");
        let pruned = store.prune(before, 200).await.unwrap();
        receipts += pruned.receipts;
        if !pruned.more {
            break;
        }
    }
    receipts
}

/// Calls come in while old ones go: of the new none is lost, of the old none is left.
#[tokio::test(flavor = "multi_thread")]
async fn retention_runs_beside_the_load() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()).unwrap());
    let of = IntegrationId::from_i64(5);
    for id in 1..=900 {
        store.append(sample::rejected(id, of)).await.unwrap();
    }
    let load: Vec<_> = (1..=4_i64)
        .map(|task| {
            let store = Arc::clone(&store);
            let work = async move {
                for number in 0..100 {
                    let received_at = sample::after(3_600);
                    let receipt = Receipt { received_at, ..sample::receipt(task * 1_000 + number, of) };
                    store.append(receipt).await.unwrap();
                }
            };
            #[expect(clippy::disallowed_methods, reason = "a test waits for its tasks itself")]
            tokio::spawn(work)
        })
        .collect();
    let before = PruneBefore { receipts: Some(sample::after(60)), incidents: None };
    assert_eq!(pruned_to_the_end(&store, before).await, 900);
    for task in load {
        task.await.unwrap();
    }
    assert_eq!(store.pending_ids(1_000).await.unwrap().len(), 400);
    let page = PageRequest { cursor: None, limit: 200 };
    let filter = ReceiptFilter { state: Some(ReceiptState::Rejected), ..ReceiptFilter::default() };
    assert!(store.receipts(filter, page).await.unwrap().data.is_empty());
}

/// What is deleted leaves the file too, and what stays is still whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_shrinks_when_what_is_old_goes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let of = IntegrationId::from_i64(5);
    for id in 1..=300 {
        let receipt = Receipt { body: vec![7; 100_000], ..sample::receipt(id, of) };
        store.append(receipt).await.unwrap();
    }
    let stays = Receipt { body: vec![8; 100_000], ..sample::receipt(301, of) };
    store.append(stays.clone()).await.unwrap();
    store.commit(sample::processed(1..=300)).await.unwrap();
    drop(store);
    let size = || fs::metadata(folder.path().join("bugle.db")).unwrap().size();
    assert!(size() > 30_000_000, "{}", size());
    let store = open(folder.path()).unwrap();
    let before = PruneBefore { receipts: Some(sample::after(60)), incidents: None };
    assert_eq!(pruned_to_the_end(&store, before).await, 300);
    assert_eq!(store.receipt(stays.id).await.unwrap().unwrap().0.body, stays.body);
    drop(store);
    assert!(size() < 6_000_000, "{}", size());
}
