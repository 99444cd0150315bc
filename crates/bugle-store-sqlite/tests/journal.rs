//! What the journal holds is there after a crash, once, whatever else happened to the file.
#![expect(clippy::unwrap_used, reason = "a test stops at the first problem")]

use std::{fs, path::Path, sync::Arc};

use bugle_model::{IntegrationId, Receipt, ReceiptState, id::Id};
use bugle_store::{PageRequest, PruneBefore, ReceiptFilter, Store, conformance::sample};
use bugle_store_sqlite::{OpenError, Options, SqliteStore};
use tempfile::TempDir;

const OF: IntegrationId = IntegrationId::from_i64(5);
const JOURNAL: &str = "bugle.journal";
const ALL: PageRequest = PageRequest { cursor: None, limit: 1_000 };

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, Options::default()).unwrap()
}

/// The files as they are now, as a crash would leave them.
fn crashed(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn receipt(id: i64) -> Receipt {
    let mut receipt = sample::receipt(id, OF);
    receipt.body = format!("body {id} \"\u{7}\u{fc}").into_bytes();
    receipt
}

/// With an id of the sender's own, the same for all.
fn named(id: i64) -> Receipt {
    Receipt { senders_id: Some([7; 16]), ..receipt(id) }
}

async fn pending(store: &SqliteStore) -> Vec<i64> {
    store.pending_ids(1_000).await.unwrap().into_iter().map(Id::as_i64).collect()
}

#[tokio::test]
async fn what_only_the_journal_holds_is_there_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for id in 1..=5 {
        store.append(receipt(id)).await.unwrap();
    }
    store.commit(sample::processed([2, 4])).await.unwrap();
    let copy = crashed(folder.path());
    let before = store.receipt(Id::from_i64(3)).await.unwrap().unwrap().0;
    drop(store);
    for _ in 0..2 {
        let store = open(copy.path());
        assert_eq!(pending(&store).await, [1, 3, 5]);
        let after = store.receipt(Id::from_i64(3)).await.unwrap().unwrap().0;
        assert_eq!(
            (after.body, format!("{:?}", after.head)),
            (receipt(3).body, format!("{:?}", before.head))
        );
        assert_eq!((after.remote_ip, after.received_at), (before.remote_ip, before.received_at));
        assert_eq!(
            (after.correlation_id, after.alert_key),
            (before.correlation_id.clone(), before.alert_key.clone())
        );
        assert_eq!(format!("{:?}", after.verification), format!("{:?}", before.verification));
        assert_eq!(store.receipts(ReceiptFilter::default(), ALL).await.unwrap().data.len(), 5);
    }
}

#[tokio::test]
async fn lists_have_what_was_just_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for id in 1..=3 {
        store.append(receipt(id)).await.unwrap();
        let inbox = store.inbox().await.unwrap();
        assert_eq!(inbox.pending, u64::try_from(id).unwrap());
        assert_eq!(inbox.oldest, Some(sample::NOON));
        let page = store.receipts(ReceiptFilter::default(), ALL).await.unwrap();
        assert_eq!(page.data[0].id.as_i64(), id);
        assert_eq!(store.instance().await.unwrap().id_floor, id);
    }
    assert_eq!(pending(&store).await, [1, 2, 3]);
}

/// One whose sender named it, in the journal only, with a repeat of it in the database.
#[tokio::test]
async fn an_original_that_only_the_journal_holds_stays_one_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for (id, original) in [(1, None), (2, Some(Id::from_i64(1)))] {
        assert_eq!(store.append(named(id)).await.unwrap().duplicate_of, original);
    }
    let copy = crashed(folder.path());
    for id in 3..5 {
        let store = open(copy.path());
        assert_eq!(pending(&store).await, [1]);
        assert_eq!(store.append(named(id)).await.unwrap().duplicate_of, Some(Id::from_i64(1)));
    }
}

/// The sender was told twice that it is not kept, by the journal and the database. It called again and was told that it is.
#[tokio::test]
async fn what_was_in_the_journal_all_the_same_is_kept_as_a_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.append(named(1)).await.unwrap();
    let only_in_the_journal = crashed(folder.path());
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let again = Receipt { body: vec![b'x'; 100_000], ..named(2) };
    assert_eq!(store.append(again).await.unwrap().duplicate_of, None);
    drop(store);
    fs::copy(only_in_the_journal.path().join(JOURNAL), folder.path().join(JOURNAL)).unwrap();
    for _ in 0..2 {
        let store = open(folder.path());
        assert_eq!(pending(&store).await, [2]);
        let (first, _) = store.receipt(Id::from_i64(1)).await.unwrap().unwrap();
        assert_eq!((first.state, first.body), (ReceiptState::Duplicate, receipt(1).body));
    }
}

/// More than the file holds, with the database taking it in beside, by steps and by itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_written_over_and_over() {
    const EACH: i64 = 400;
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    let size = || fs::metadata(folder.path().join(JOURNAL)).unwrap().len();
    let before = size();
    let tasks: Vec<_> = (0..4_i64)
        .map(|task| {
            let store = Arc::clone(&store);
            let work = async move {
                for number in 1..=EACH {
                    let id = task * EACH + number;
                    let receipt = Receipt { body: vec![b'x'; 12_000], ..receipt(id) };
                    store.append(receipt).await.unwrap();
                    if number % 2 == 0 {
                        store.commit(sample::processed([id])).await.unwrap();
                    }
                }
            };
            #[expect(clippy::disallowed_methods, reason = "a test waits for its tasks itself")]
            tokio::spawn(work)
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(size(), before);
    let copy = crashed(folder.path());
    let store = open(copy.path());
    let odd: Vec<i64> = (1..=4 * EACH).filter(|id| id % 2 == 1).collect();
    assert_eq!(pending(&store).await, odd);
    for id in [1, 777, 4 * EACH] {
        let (receipt, _) = store.receipt(Id::from_i64(id)).await.unwrap().unwrap();
        assert_eq!(receipt.body.len(), 12_000);
    }
}

#[tokio::test]
async fn a_record_that_is_not_whole_takes_no_other_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for id in 1..=3 {
        store.append(receipt(id)).await.unwrap();
    }
    let copy = crashed(folder.path());
    let path = copy.path().join(JOURNAL);
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.windows(6).position(|window| window == b"body 2").unwrap();
    bytes[place] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(pending(&open(copy.path())).await, [1, 3]);
}

#[tokio::test]
async fn what_retention_deleted_does_not_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for id in 1..=3 {
        store.append(receipt(id)).await.unwrap();
    }
    store.commit(sample::processed(1..=3)).await.unwrap();
    let before = PruneBefore { receipts: Some(sample::after(60)), incidents: None };
    while store.prune(before, 100).await.unwrap().more {}
    assert!(store.receipts(ReceiptFilter::default(), ALL).await.unwrap().data.is_empty());
    let copy = crashed(folder.path());
    let store = open(copy.path());
    assert_eq!(pending(&store).await, [0_i64; 0]);
    assert!(store.receipts(ReceiptFilter::default(), ALL).await.unwrap().data.is_empty());
}

#[test]
fn what_is_no_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join(JOURNAL);
    let whole = fs::read(&path).unwrap();
    for wrong in [&b"a text"[..], &whole[1..], &whole[..whole.len() - 1], &[]] {
        fs::write(&path, wrong).unwrap();
        let refusal = SqliteStore::open(folder.path(), Options::default()).unwrap_err();
        assert!(matches!(refusal, OpenError::Journal { .. }), "{refusal}");
        assert!(refusal.to_string().contains(JOURNAL), "{refusal}");
    }
    fs::remove_file(&path).unwrap();
    drop(open(folder.path()));
}
