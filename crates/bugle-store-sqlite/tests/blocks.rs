//! Receipts that are packed together are read, changed and deleted one by one.
#![expect(clippy::unwrap_used, reason = "a test stops at the first problem")]

use std::path::Path;

use bugle_model::{Cursor, IntegrationId, Receipt, ReceiptState, Verification, id::Id};
use bugle_store::{PageRequest, PruneBefore, ReceiptFilter, Store, conformance::sample};
use bugle_store_sqlite::{Options, SqliteStore};

const COUNT: i64 = 100;

fn receipt(id: i64) -> Receipt {
    let integration_id = IntegrationId::from_i64(5 + id % 2);
    let body = format!("{{\"number\":{id},\"text\":\"the same in each\"}}").into_bytes();
    // Of some the sender says itself which they are.
    let senders_id = (id % 3 == 0).then(|| u128::try_from(id).unwrap().to_le_bytes());
    Receipt { body, senders_id, received_at: sample::after(id), ..sample::receipt(id, integration_id) }
}

/// A store with receipts 1 to [`COUNT`], all of them in blocks.
async fn filled(folder: &Path) -> SqliteStore {
    let store = SqliteStore::open(folder, Options::default()).unwrap();
    for id in 1..=COUNT {
        store.append(receipt(id)).await.unwrap();
    }
    // Whoever lists them has them taken in, together.
    list(&store, ReceiptFilter::default(), None).await;
    let alone: i64 = ask(folder, "SELECT count(*) FROM receipt WHERE block IS NULL");
    assert_eq!(alone, 0);
    store
}

fn ask(folder: &Path, question: &str) -> i64 {
    let connection = rusqlite::Connection::open(folder.join("bugle.db")).unwrap();
    connection.query_row(question, [], |row| row.get(0)).unwrap()
}

async fn list(store: &SqliteStore, filter: ReceiptFilter, cursor: Option<Cursor>) -> Vec<i64> {
    let page = store.receipts(filter, PageRequest { cursor, limit: 1_000 }).await.unwrap();
    page.data.iter().map(|receipt| receipt.id.as_i64()).collect()
}

#[tokio::test]
async fn they_take_less_than_half_of_the_space() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let packed = ask(folder.path(), "SELECT sum(length(packed)) FROM receipt_block");
    let mut whole = 0;
    for id in 1..=COUNT {
        let (read, _) = store.receipt(Id::from_i64(id)).await.unwrap().unwrap();
        whole += read.body.len() + format!("{:?}", read.head).len();
    }
    assert!(usize::try_from(packed).unwrap() * 2 < whole, "{packed} of {whole}");
}

#[tokio::test]
async fn each_reads_back_and_stands_in_its_lists() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    store.commit(sample::processed((1..=COUNT).filter(|id| id % 10 == 0))).await.unwrap();
    for id in 1..=COUNT {
        let (read, _) = store.receipt(Id::from_i64(id)).await.unwrap().unwrap();
        let expected = receipt(id);
        assert_eq!((read.id, read.integration_id), (expected.id, expected.integration_id));
        assert_eq!((read.body, read.head), (expected.body, expected.head));
        assert_eq!((read.received_at, read.senders_id), (expected.received_at, expected.senders_id));
        let state = if id % 10 == 0 { ReceiptState::Processed } else { ReceiptState::Pending };
        assert_eq!(read.state, state);
    }
    let descending = |keep: fn(&i64) -> bool| (1..=COUNT).rev().filter(keep).collect::<Vec<_>>();
    let of_one =
        ReceiptFilter { integration_id: Some(IntegrationId::from_i64(6)), ..ReceiptFilter::default() };
    assert_eq!(list(&store, of_one, None).await, descending(|id| id % 2 == 1));
    let processed = ReceiptFilter { state: Some(ReceiptState::Processed), ..ReceiptFilter::default() };
    assert_eq!(list(&store, processed, None).await, descending(|id| id % 10 == 0));
    let pending = store.pending_of((1..=COUNT).map(Id::from_i64).collect()).await.unwrap();
    assert_eq!(pending.len(), 90);
    assert!(pending.iter().all(|read| read.body == receipt(read.id.as_i64()).body));
}

#[tokio::test]
async fn the_senders_own_id_is_known_of_each() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    for id in [2, 3, 50, 51] {
        let again = Receipt { id: Id::from_i64(1_000 + id), ..receipt(id) };
        let original = store.append(again.clone()).await.unwrap().duplicate_of;
        assert_eq!(original, Some(Id::from_i64(id)));
        let (again, _) = store.receipt(again.id).await.unwrap().unwrap();
        assert_eq!(again.state == ReceiptState::Duplicate, id % 3 == 0, "equal bodies are processed");
    }
}

#[tokio::test]
async fn one_that_is_put_back_has_its_new_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    store.commit(sample::processed(1..=COUNT)).await.unwrap();
    let failed = Verification::Failed { reason: "tried_again".to_owned(), advice: "none".to_owned() };
    store.requeue(Id::from_i64(7), failed.clone()).await.unwrap();
    assert_eq!(store.pending_ids(10).await.unwrap(), [Id::from_i64(7)]);
    for (id, is_new) in [(6, false), (7, true), (8, false)] {
        let (read, _) = store.receipt(Id::from_i64(id)).await.unwrap().unwrap();
        assert_eq!(read.verification == failed, is_new, "{id}");
        assert_eq!(read.body, receipt(id).body);
    }
}

#[tokio::test]
async fn a_block_goes_with_the_last_of_its_receipts() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let blocks = || ask(folder.path(), "SELECT count(*) FROM receipt_block");
    let all = blocks();
    store.commit(sample::processed((1..=COUNT).filter(|id| *id != 2))).await.unwrap();
    // A step stops early where the machine is slow.
    let prune = async |until: i64| {
        let before = PruneBefore { receipts: Some(sample::after(until)), incidents: None };
        let mut receipts = 0;
        loop {
            let pruned = store.prune(before, 1_000).await.unwrap();
            receipts += pruned.receipts;
            if !pruned.more {
                return receipts;
            }
        }
    };
    assert_eq!(prune(70).await, 68);
    assert!(blocks() < all, "those in the middle are gone");
    assert_eq!(prune(COUNT + 1).await, 31);
    assert_eq!(blocks(), 1, "one is still pending");
    assert_eq!(store.receipt(Id::from_i64(2)).await.unwrap().unwrap().0.body, receipt(2).body);
    store.commit(sample::processed(std::iter::once(2))).await.unwrap();
    assert_eq!(prune(COUNT + 1).await, 1);
    assert_eq!(blocks(), 0);
}
