//! Receipts: kept whole, deduplicated, bounded, and never lost on their way.

use bugle_model::{
    Cursor, IntegrationId, Receipt, ReceiptId, ReceiptState, Verification, id::Id,
    limits::QUARANTINE_PER_INTEGRATION_MAX,
};

use ReceiptState::{Pending, Processed, Rejected};

use super::{ALL, sample};
use crate::{Inbox, PageRequest, ReceiptFilter, ReceiptOutcome, SignalOutcome, Step, Store};

const OF: IntegrationId = IntegrationId::from_i64(5);
const OTHER: IntegrationId = IntegrationId::from_i64(6);

/// With an id of the sender's own.
fn named(id: i64, name: u8, at_seconds: i64) -> Receipt {
    let received_at = sample::after(at_seconds);
    Receipt { received_at, senders_id: Some([name; 16]), ..sample::receipt(id, OF) }
}

/// Without one.
fn nameless(id: i64, body: u8, at_seconds: i64) -> Receipt {
    Receipt { received_at: sample::after(at_seconds), body: vec![body; 16], ..sample::receipt(id, OF) }
}

async fn append(store: &dyn Store, receipt: Receipt) -> Option<i64> {
    store.append(receipt).await.unwrap().duplicate_of.map(ReceiptId::as_i64)
}

async fn state(store: &dyn Store, id: i64) -> Option<ReceiptState> {
    store.receipt(Id::from_i64(id)).await.unwrap().map(|(receipt, _)| receipt.state)
}

async fn pending(store: &dyn Store) -> Vec<i64> {
    store.pending_ids(1_000).await.unwrap().into_iter().map(ReceiptId::as_i64).collect()
}

async fn listed(
    store: &dyn Store,
    integration: Option<IntegrationId>,
    state: Option<ReceiptState>,
) -> Vec<i64> {
    let page = store.receipts(ReceiptFilter { integration_id: integration, state }, ALL).await.unwrap();
    page.data.iter().map(|receipt| receipt.id.as_i64()).collect()
}

fn processed(id: i64, state: ReceiptState) -> Step {
    let outcome = ReceiptOutcome {
        id: Id::from_i64(id),
        state,
        problem: (state != ReceiptState::Processed).then(|| "not understood".to_owned()),
        signals: vec![SignalOutcome {
            alert_id: Id::from_i64(1),
            incident_id: Some(Id::from_i64(2)),
            meaning: "opened".to_owned(),
        }],
    };
    Step { receipts: vec![outcome], ..Step::default() }
}

/// Every field of a receipt survives, NUL bytes in its body included.
pub async fn a_receipt_reads_back_whole(store: &dyn Store) {
    let kept = Receipt {
        body: b"\0\xff{\"a\":1}".to_vec(),
        remote_ip: "2001:db8::7".parse().unwrap(),
        verification: Verification::Verified { scheme: "X-Signature".to_owned(), secret_id: Id::from_i64(3) },
        ..named(1, 7, 0)
    };
    assert_eq!(append(store, kept.clone()).await, None);
    let (read, signals) = store.receipt(kept.id).await.unwrap().unwrap();
    assert_eq!(
        (read.body, read.remote_ip, read.verification),
        (kept.body, kept.remote_ip, kept.verification)
    );
    assert_eq!((read.head, read.received_at, read.state), (kept.head, kept.received_at, kept.state));
    assert_eq!((read.correlation_id, read.alert_key), (kept.correlation_id, kept.alert_key));
    assert_eq!((read.senders_id, read.problem, read.integration_id), (kept.senders_id, None, OF));
    assert!(signals.is_empty());
    assert!(store.receipt(Id::from_i64(2)).await.unwrap().is_none());
}

/// By id, which is by time, whatever order they were appended in; and not once they are dealt with.
pub async fn pending_receipts_come_oldest_first(store: &dyn Store) {
    for id in [3, 1, 2] {
        append(store, sample::receipt(id, OF)).await;
    }
    assert_eq!(pending(store).await, [1, 2, 3]);
    assert_eq!(store.pending_ids(2).await.unwrap(), [1, 2].map(Id::from_i64));
    let read = store.pending_of([2, 9, 1].map(Id::from_i64).to_vec()).await.unwrap();
    assert_eq!(read.iter().map(|receipt| receipt.id.as_i64()).collect::<Vec<_>>(), [2, 1]);
    assert!(read.iter().all(|receipt| !receipt.body.is_empty()));
    store.commit(processed(1, ReceiptState::Processed)).await.unwrap();
    store.commit(processed(3, ReceiptState::Undecodable)).await.unwrap();
    assert_eq!(pending(store).await, [2]);
    let (read, signals) = store.receipt(Id::from_i64(3)).await.unwrap().unwrap();
    assert_eq!((read.state, read.problem.as_deref()), (ReceiptState::Undecodable, Some("not understood")));
    assert_eq!(signals[0].meaning, "opened");
}

/// Only what is pending counts, and the oldest is the one that comes first.
pub async fn the_inbox_is_counted_and_dated(store: &dyn Store) {
    assert_eq!(store.inbox().await.unwrap(), Inbox::default());
    for id in [2, 1, 3] {
        let received_at = sample::after(id);
        append(store, Receipt { received_at, ..sample::receipt(id, OF) }).await;
    }
    append(store, sample::rejected(4, OF)).await;
    assert_eq!(store.inbox().await.unwrap(), Inbox { pending: 3, oldest: Some(sample::after(1)) });
    store.commit(processed(1, ReceiptState::Processed)).await.unwrap();
    assert_eq!(store.inbox().await.unwrap(), Inbox { pending: 2, oldest: Some(sample::after(2)) });
}

/// However long ago the first one came, and only within one integration.
pub async fn the_senders_own_id_makes_a_duplicate(store: &dyn Store) {
    assert_eq!(append(store, named(1, 7, 0)).await, None);
    assert_eq!(append(store, named(2, 7, 86_400)).await, Some(1));
    assert_eq!(append(store, named(3, 7, 86_401)).await, Some(1));
    assert_eq!(append(store, named(4, 8, 0)).await, None);
    let elsewhere = Receipt { integration_id: OTHER, ..named(5, 7, 0) };
    assert_eq!(append(store, elsewhere).await, None);
    assert_eq!(pending(store).await, [1, 4, 5]);
    assert_eq!(state(store, 2).await, Some(ReceiptState::Duplicate));
}

/// An equal body within five minutes may be a redelivery, and is processed all the same.
pub async fn an_equal_body_is_told_of_and_processed(store: &dyn Store) {
    assert_eq!(append(store, nameless(1, 7, 0)).await, None);
    assert_eq!(append(store, nameless(2, 7, 299)).await, Some(1));
    assert_eq!(append(store, nameless(3, 7, 299 + 301)).await, None);
    assert_eq!(append(store, named(4, 7, 299 + 302)).await, None, "a sender's id is not a body");
    assert_eq!(pending(store).await, [1, 2, 3, 4]);
}

/// Else a forger could make the true one look like a repeat.
pub async fn a_rejected_receipt_is_never_an_original(store: &dyn Store) {
    for (id, make) in [(1, named as fn(i64, u8, i64) -> Receipt), (3, nameless)] {
        let Receipt { senders_id, body, .. } = make(id, 9, 0);
        append(store, Receipt { senders_id, body, ..sample::rejected(id, OF) }).await;
        assert_eq!(append(store, make(id + 1, 9, 1)).await, None);
    }
    assert_eq!(pending(store).await, [2, 4]);
}

/// The oldest rejected ones of the same integration go; nothing else does.
pub async fn the_quarantine_is_bounded(store: &dyn Store) {
    let bound = i64::from(QUARANTINE_PER_INTEGRATION_MAX);
    append(store, sample::rejected(1, OTHER)).await;
    append(store, sample::receipt(2, OF)).await;
    for id in 10..10 + bound + 3 {
        append(store, sample::rejected(id, OF)).await;
    }
    assert_eq!(state(store, 12).await, None);
    assert_eq!(state(store, 13).await, Some(ReceiptState::Rejected));
    assert_eq!(state(store, 1).await, Some(ReceiptState::Rejected));
    assert_eq!(pending(store).await, [2]);
}

/// Those that were proven and not understood are bounded by themselves.
pub async fn undecodable_receipts_are_bounded(store: &dyn Store) {
    let bound = i64::from(QUARANTINE_PER_INTEGRATION_MAX);
    append(store, sample::rejected(1, OF)).await;
    append(store, sample::receipt(2, OTHER)).await;
    store.commit(processed(2, ReceiptState::Undecodable)).await.unwrap();
    let mut step = Step::default();
    for id in 10..10 + bound + 3 {
        append(store, sample::receipt(id, OF)).await;
        step.receipts.extend(processed(id, ReceiptState::Undecodable).receipts);
    }
    store.commit(step).await.unwrap();
    assert_eq!(state(store, 12).await, None);
    for (id, expected) in [(1, Rejected), (2, ReceiptState::Undecodable), (13, ReceiptState::Undecodable)] {
        assert_eq!(state(store, id).await, Some(expected), "{id}");
    }
}

/// With its new verdict, and without what was wrong before.
pub async fn a_requeued_receipt_is_pending_again(store: &dyn Store) {
    append(store, sample::rejected(1, OF)).await;
    let proven = Verification::Verified { scheme: "X-Signature".to_owned(), secret_id: Id::from_i64(3) };
    store.requeue(Id::from_i64(1), proven.clone()).await.unwrap();
    store.requeue(Id::from_i64(2), proven.clone()).await.unwrap();
    let read = store.pending_of(vec![Id::from_i64(1)]).await.unwrap();
    assert_eq!((read.len(), &read[0].verification, &read[0].problem), (1, &proven, &None));
    assert_eq!(listed(store, Some(OF), Some(ReceiptState::Rejected)).await, [0_i64; 0]);
    store.commit(processed(1, ReceiptState::Processed)).await.unwrap();
    assert_eq!(pending(store).await, [0_i64; 0]);
    store.requeue(Id::from_i64(1), proven).await.unwrap();
    assert_eq!(pending(store).await, [1]);
}

/// Newest first, filtered, in pages that join without a gap.
pub async fn receipts_are_listed_without_bodies_by_page(store: &dyn Store) {
    for id in 1..=3 {
        append(store, sample::receipt(id, OF)).await;
        append(store, sample::rejected(id + 10, OF)).await;
        append(store, sample::receipt(id + 20, OTHER)).await;
    }
    store.commit(processed(2, ReceiptState::Processed)).await.unwrap();
    assert_eq!(listed(store, None, None).await, [23, 22, 21, 13, 12, 11, 3, 2, 1]);
    assert_eq!(listed(store, Some(OF), None).await, [13, 12, 11, 3, 2, 1]);
    assert_eq!(listed(store, None, Some(Pending)).await, [23, 22, 21, 3, 1]);
    assert_eq!(listed(store, Some(OF), Some(Pending)).await, [3, 1]);
    assert_eq!(listed(store, None, Some(Rejected)).await, [13, 12, 11]);
    assert_eq!(listed(store, Some(OF), Some(Processed)).await, [2]);
    assert_eq!(listed(store, Some(OTHER), Some(Rejected)).await, [0_i64; 0]);
    let (mut seen, mut cursor): (Vec<i64>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = store.receipts(ReceiptFilter::default(), PageRequest { cursor, limit: 4 }).await.unwrap();
        assert!(page.data.iter().all(|receipt| receipt.body.is_empty()));
        seen.extend(page.data.iter().map(|receipt| receipt.id.as_i64()));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, [23, 22, 21, 13, 12, 11, 3, 2, 1]);
}
