//! The bodies that came in lately, to tell a caller that the same one came before.
//!
//! Kept in memory only and bounded. Equal bodies prove no redelivery and are processed all the same, so all that a
//! forgotten one costs is the word `duplicate` in an answer; an index would cost every receipt a page.

use std::sync::{Mutex, PoisonError};

use bugle_model::{IntegrationId, Receipt, ReceiptId, ReceiptState, Timestamp, receipt::DedupKey};

/// Two receipts with equal bodies are the same delivery, perhaps, when they come within this time.
const WITHIN_MS: i64 = 5 * 60 * 1000;
/// A body has its place in one of so many sets, by its hash.
const SETS: u128 = 1_024;
/// Bodies of one set. One more takes the place of the oldest, so that of the last few thousand nearly all are remembered.
/// All together take 256 KiB, and that is all there ever is.
const WAYS: usize = 8;

/// A body that came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    /// Its hash, and whose it is mixed in: equal bodies of two integrations are two.
    key: u128,
    receipt_id: ReceiptId,
    received_at: Timestamp,
}

impl Body {
    const NONE: Self =
        Self { key: 0, receipt_id: ReceiptId::from_i64(0), received_at: Timestamp::from_millis(i64::MIN) };

    fn new(
        integration: IntegrationId,
        hash: [u8; 16],
        receipt_id: ReceiptId,
        received_at: Timestamp,
    ) -> Self {
        let key = u128::from_le_bytes(hash) ^ u128::from(integration.as_i64().cast_unsigned());
        Self { key, receipt_id, received_at }
    }

    fn set(&self) -> usize {
        usize::try_from(self.key % SETS).unwrap_or_default()
    }

    /// None when others do not count as its redeliveries: it is rejected, or the sender says itself which they are.
    pub(crate) fn of(receipt: &Receipt) -> Option<Self> {
        match receipt.dedup_key {
            Some(DedupKey { hash, explicit: false }) if receipt.state != ReceiptState::Rejected => {
                Some(Self::new(receipt.integration_id, hash, receipt.id, receipt.received_at))
            }
            _ => None,
        }
    }
}

/// The latest receipt of each body.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Vec<Set>>);

/// The newest first. A place that nothing has taken yet holds a body of long ago.
type Set = [Body; WAYS];

impl Recent {
    /// The receipt before this one with the same body, if that came lately.
    pub(crate) fn before(&self, body: &Body) -> Option<ReceiptId> {
        let sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sets.get(body.set())?.iter().find(|known| known.key == body.key)?;
        let since_ms = body.received_at.as_millis().saturating_sub(known.received_at.as_millis());
        (since_ms <= WITHIN_MS).then_some(known.receipt_id)
    }

    /// To be called once the receipt is stored: a caller who is told `duplicate` need not call again.
    pub(crate) fn remember(&self, body: Body) {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    use bugle_store::conformance::sample;

    use super::*;

    fn body(integration: i64, hash: u128, number: i64) -> Body {
        let (integration, receipt) = (IntegrationId::from_i64(integration), ReceiptId::from_i64(number));
        Body::new(integration, hash.to_le_bytes(), receipt, sample::NOON)
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
        assert_eq!(before(&recent, &body(5, 0, 1)), None);
        for hash in 0..=WAYS {
            let hash = SETS * u128::try_from(hash).unwrap();
            for number in [1, 2, 3] {
                recent.remember(body(5, hash, number));
                assert_eq!(before(&recent, &body(5, hash, 9)), Some(number), "{hash}");
            }
        }
        assert_eq!(before(&recent, &body(5, 0, 9)), None, "one more came than there are places");
        recent.remember(body(5, SETS, 4));
        recent.remember(body(5, 0, 4));
        assert_eq!(before(&recent, &body(5, SETS, 9)), Some(4), "it came again, so it is not the oldest");
        assert_eq!(before(&recent, &body(5, 2 * SETS, 9)), None);
    }

    #[test]
    fn nearly_all_of_the_last_few_thousand_are_remembered() {
        let recent = Recent::default();
        let bodies =
            (0..20_000_u64).map(|number| body(5, u128::from(mixed(number)), i64::try_from(number).unwrap()));
        bodies.clone().for_each(|body| recent.remember(body));
        let lost = bodies.skip(20_000 - 3_000).filter(|body| recent.before(body).is_none()).count();
        assert!(lost < 30, "{lost} of 3,000 are forgotten");
    }

    #[test]
    fn equal_bodies_of_two_integrations_and_of_long_ago_are_others() {
        let recent = Recent::default();
        recent.remember(body(5, 7, 1));
        assert_eq!(before(&recent, &body(6, 7, 2)), None);
        let later =
            |ms| Body { received_at: Timestamp::from_millis(sample::NOON.as_millis() + ms), ..body(5, 7, 2) };
        assert_eq!(before(&recent, &later(WITHIN_MS)), Some(1));
        assert_eq!(before(&recent, &later(WITHIN_MS + 1)), None);
        assert_eq!(before(&recent, &body(5, 5, 2)), None, "an empty place is no body");
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
