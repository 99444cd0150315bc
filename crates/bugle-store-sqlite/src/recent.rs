//! The bodies that came in lately, to tell a caller that the same one came before.
//!
//! Kept in memory only and bounded. Equal bodies prove no redelivery and are processed all the same, so all that a
//! forgotten one costs is the word `duplicate` in an answer; an index would cost every receipt a page.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use bugle_model::{IntegrationId, Receipt, ReceiptId, Timestamp};

/// Two receipts with equal bodies are the same delivery, perhaps, when they come within this time.
const WITHIN_MS: i64 = 5 * 60 * 1000;
/// Bodies remembered; about 3 MiB.
const REMEMBERED_MAX: usize = 32 * 1024;

type Key = (IntegrationId, [u8; 16]);

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
    /// Remembers a receipt, and returns the one before it with the same body, if that came lately.
    pub(crate) fn replace(&self, receipt: &Receipt, hash: [u8; 16]) -> Option<ReceiptId> {
        let key = (receipt.integration_id, hash);
        let mut bodies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = bodies.latest.insert(key, (receipt.id, receipt.received_at));
        if before.is_none() {
            bodies.order.push_back(key);
            if bodies.order.len() > REMEMBERED_MAX
                && let Some(oldest) = bodies.order.pop_front()
            {
                bodies.latest.remove(&oldest);
            }
        }
        before
            .filter(|(_, at)| receipt.received_at.as_millis().saturating_sub(at.as_millis()) <= WITHIN_MS)
            .map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use bugle_store::conformance::sample;

    use super::*;

    #[test]
    fn only_so_many_are_remembered() {
        let recent = Recent::default();
        let of = IntegrationId::from_i64(5);
        let hash = |number: usize| u128::try_from(number).unwrap().to_le_bytes();
        let first = sample::receipt(1, of);
        assert_eq!(recent.replace(&first, hash(0)), None);
        assert_eq!(recent.replace(&sample::receipt(2, of), hash(0)), Some(first.id));
        for number in 1..=REMEMBERED_MAX {
            assert_eq!(recent.replace(&first, hash(number)), None);
        }
        assert_eq!(recent.replace(&first, hash(0)), None);
        let bodies = recent.0.lock().unwrap();
        assert_eq!((bodies.order.len(), bodies.latest.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }
}
