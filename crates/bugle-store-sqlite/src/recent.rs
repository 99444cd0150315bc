//! The bodies that came in lately, to tell a caller that the same one came before.
//!
//! Kept in memory only and bounded. Equal bodies prove no redelivery and are processed all the same, so all that a
//! forgotten one costs is the word `duplicate` in an answer; an index would cost every receipt a page.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use bugle_model::{IntegrationId, Receipt, ReceiptId, ReceiptState, Timestamp, receipt::DedupKey};

/// Two receipts with equal bodies are the same delivery, perhaps, when they come within this time.
const WITHIN_MS: i64 = 5 * 60 * 1000;
/// Bodies remembered; about 3 MiB.
const REMEMBERED_MAX: usize = 32 * 1024;

type Key = (IntegrationId, [u8; 16]);

/// A body that came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    key: Key,
    receipt_id: ReceiptId,
    received_at: Timestamp,
}

impl Body {
    /// None when others do not count as its redeliveries: it is rejected, or the sender says itself which they are.
    pub(crate) fn of(receipt: &Receipt) -> Option<Self> {
        match receipt.dedup_key {
            Some(DedupKey { hash, explicit: false }) if receipt.state != ReceiptState::Rejected => {
                Some(Self {
                    key: (receipt.integration_id, hash),
                    receipt_id: receipt.id,
                    received_at: receipt.received_at,
                })
            }
            _ => None,
        }
    }
}

/// The latest receipt of each body.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Bodies>);

#[derive(Debug, Default)]
struct Bodies {
    latest: HashMap<Key, (ReceiptId, Timestamp)>,
    /// In the order in which they were first seen; an equal body that comes again keeps its place.
    order: VecDeque<Key>,
}

impl Recent {
    /// The receipt before this one with the same body, if that came lately.
    pub(crate) fn before(&self, body: &Body) -> Option<ReceiptId> {
        let bodies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, at) = bodies.latest.get(&body.key)?;
        let is_recent = body.received_at.as_millis().saturating_sub(at.as_millis()) <= WITHIN_MS;
        is_recent.then_some(*id)
    }

    /// To be called once the receipt is stored: a caller who is told `duplicate` need not call again.
    pub(crate) fn remember(&self, body: Body) {
        let mut bodies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bodies.latest.insert(body.key, (body.receipt_id, body.received_at)).is_some() {
            return;
        }
        bodies.order.push_back(body.key);
        if bodies.order.len() > REMEMBERED_MAX
            && let Some(oldest) = bodies.order.pop_front()
        {
            bodies.latest.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use bugle_store::conformance::sample;

    use super::*;

    #[test]
    fn only_so_many_are_remembered() {
        let recent = Recent::default();
        let body = |number: usize| Body {
            key: (IntegrationId::from_i64(5), u128::try_from(number).unwrap().to_le_bytes()),
            receipt_id: ReceiptId::from_i64(1),
            received_at: sample::NOON,
        };
        assert_eq!(recent.before(&body(0)), None);
        for number in 0..=REMEMBERED_MAX {
            recent.remember(body(number));
            recent.remember(body(number));
            assert_eq!(recent.before(&body(number)), Some(ReceiptId::from_i64(1)), "{number}");
        }
        assert_eq!(recent.before(&body(0)), None);
        let bodies = recent.0.lock().unwrap();
        assert_eq!((bodies.order.len(), bodies.latest.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }

    #[test]
    fn who_is_told_apart_by_the_sender_or_rejected_is_not_remembered() {
        let key = DedupKey { hash: [1; 16], explicit: false };
        for (key, state, is_remembered) in [
            (Some(key), ReceiptState::Pending, true),
            (Some(key), ReceiptState::Undecodable, true),
            (Some(key), ReceiptState::Rejected, false),
            (Some(DedupKey { explicit: true, ..key }), ReceiptState::Pending, false),
            (None, ReceiptState::Pending, false),
        ] {
            let receipt = Receipt { dedup_key: key, state, ..sample::receipt(1, IntegrationId::from_i64(5)) };
            assert_eq!(Body::of(&receipt).is_some(), is_remembered, "{key:?}, {state:?}");
        }
    }
}
