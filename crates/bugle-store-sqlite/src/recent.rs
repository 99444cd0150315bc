//! The bodies that came in lately, to tell a caller that the same one came before.
//!
//! Kept in memory only and bounded. Equal bodies prove no redelivery and are processed all the same, so all that a
//! forgotten one costs is the word `duplicate` in an answer; an index would cost every receipt a page.

use std::{
    hash::BuildHasher,
    sync::{Mutex, PoisonError},
};

use bugle_model::{Receipt, ReceiptId, ReceiptState, Timestamp};
use foldhash::quality::RandomState;

/// Two receipts with equal bodies are the same delivery, perhaps, when they come within this time.
const WITHIN_MS: i64 = 5 * 60 * 1000;
/// A body has its place in one of so many sets, by its hash.
const SETS: u64 = 1_024;
/// Bodies of one set. One more takes the place of the oldest, so that of the last few thousand nearly all are remembered.
/// All together take 192 KiB, and that is all there ever is.
const WAYS: usize = 8;

/// A body that came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    /// A hash of it and of whose it is: equal bodies of two integrations are two.
    key: u64,
    receipt_id: ReceiptId,
    received_at: Timestamp,
}

impl Body {
    const NONE: Self =
        Self { key: 0, receipt_id: ReceiptId::from_i64(0), received_at: Timestamp::from_millis(i64::MIN) };

    fn set(&self) -> usize {
        usize::try_from(self.key % SETS).unwrap_or_default()
    }
}

/// The latest receipt of each body.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Of this process only. Nobody's trust hangs on it, so it need not be a cryptographic one.
    hash: RandomState,
    sets: Mutex<Vec<Set>>,
}

/// The newest first. A place that nothing has taken yet holds a body of long ago.
type Set = [Body; WAYS];

impl Recent {
    /// None when others do not count as its redeliveries: it is not accepted, or the sender says itself which they are.
    pub(crate) fn body_of(&self, receipt: &Receipt) -> Option<Body> {
        let is_told_apart_by_it = receipt.state == ReceiptState::Pending && receipt.senders_id.is_none();
        is_told_apart_by_it.then(|| Body {
            key: self.hash.hash_one((receipt.integration_id, receipt.body.as_slice())),
            receipt_id: receipt.id,
            received_at: receipt.received_at,
        })
    }

    /// The receipt before this one with the same body, if that came lately.
    pub(crate) fn before(&self, body: &Body) -> Option<ReceiptId> {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sets.get(body.set())?.iter().find(|known| known.key == body.key)?;
        let since_ms = body.received_at.as_millis().saturating_sub(known.received_at.as_millis());
        (since_ms <= WITHIN_MS).then_some(known.receipt_id)
    }

    /// To be called once the receipt is stored: a caller who is told `duplicate` need not call again.
    pub(crate) fn remember(&self, body: Body) {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.is_empty() {
            *sets = (0..SETS).map(|_| [Body::NONE; WAYS]).collect();
        }
        let Some(set) = sets.get_mut(body.set()) else { return };
        let replaced = set.iter().position(|known| known.key == body.key).unwrap_or(WAYS - 1);
        if let Some(newer) = set.get_mut(..=replaced) {
            newer.rotate_right(1);
        }
        set[0] = body;
    }
}

#[cfg(test)]
mod tests {
    use bugle_model::IntegrationId;
    use bugle_store::conformance::sample;

    use super::*;

    fn body(key: u64, number: i64) -> Body {
        Body { key, receipt_id: ReceiptId::from_i64(number), received_at: sample::NOON }
    }

    /// As evenly spread as a hash, by <https://prng.di.unimi.it/splitmix64.c>.
    fn mixed(number: u64) -> u64 {
        let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    fn before(recent: &Recent, body: &Body) -> Option<i64> {
        recent.before(body).map(ReceiptId::as_i64)
    }

    #[test]
    fn the_latest_of_a_set_are_remembered() {
        let recent = Recent::default();
        assert_eq!(before(&recent, &body(0, 1)), None);
        for hash in 0..=WAYS {
            let hash = SETS * u64::try_from(hash).unwrap();
            for number in [1, 2, 3] {
                recent.remember(body(hash, number));
                assert_eq!(before(&recent, &body(hash, 9)), Some(number), "{hash}");
            }
        }
        assert_eq!(before(&recent, &body(0, 9)), None, "one more came than there are places");
        recent.remember(body(SETS, 4));
        recent.remember(body(0, 4));
        assert_eq!(before(&recent, &body(SETS, 9)), Some(4), "it came again, so it is not the oldest");
        assert_eq!(before(&recent, &body(2 * SETS, 9)), None);
    }

    #[test]
    fn nearly_all_of_the_last_few_thousand_are_remembered() {
        let recent = Recent::default();
        let bodies = (0..20_000_u64).map(|number| body(mixed(number), i64::try_from(number).unwrap()));
        bodies.clone().for_each(|body| recent.remember(body));
        let lost = bodies.skip(20_000 - 3_000).filter(|body| recent.before(body).is_none()).count();
        assert!(lost < 30, "{lost} of 3,000 are forgotten");
    }

    #[test]
    fn one_of_long_ago_is_another() {
        let recent = Recent::default();
        recent.remember(body(7, 1));
        let later =
            |ms| Body { received_at: Timestamp::from_millis(sample::NOON.as_millis() + ms), ..body(7, 2) };
        assert_eq!(before(&recent, &later(WITHIN_MS)), Some(1));
        assert_eq!(before(&recent, &later(WITHIN_MS + 1)), None);
        assert_eq!(before(&recent, &body(5, 2)), None, "an empty place is no body");
    }

    fn receipt(id: i64, of: i64, body: &[u8]) -> Receipt {
        Receipt { body: body.to_vec(), ..sample::receipt(id, IntegrationId::from_i64(of)) }
    }

    #[test]
    fn equal_bodies_of_one_integration_are_the_same() {
        let recent = Recent::default();
        recent.remember(recent.body_of(&receipt(1, 5, b"a")).unwrap());
        for (of, body, expected) in [(5, "a", Some(1)), (6, "a", None), (5, "b", None), (5, "", None)] {
            let other = recent.body_of(&receipt(2, of, body.as_bytes())).unwrap();
            assert_eq!(before(&recent, &other), expected, "{body:?} of {of}");
        }
    }

    #[test]
    fn who_is_told_apart_by_the_sender_or_not_accepted_is_not_remembered() {
        for (senders_id, state, is_remembered) in [
            (None, ReceiptState::Pending, true),
            (None, ReceiptState::Undecodable, false),
            (None, ReceiptState::Rejected, false),
            (Some([1; 16]), ReceiptState::Pending, false),
        ] {
            let receipt = Receipt { senders_id, state, ..receipt(1, 5, b"a") };
            let body = Recent::default().body_of(&receipt);
            assert_eq!(body.is_some(), is_remembered, "{senders_id:?}, {state:?}");
        }
    }
}
