//! What ingest has read already, kept for a moment, so that the pipeline does not read it from the store and decode it
//! again. A shortcut and no queue: the inbox alone says what waits, and whatever is not found here is read from there.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bugle_model::{IntegrationId, ReceiptId, Timestamp};
use bugle_platforms::Decoded;

use crate::correlate::Origin;

/// Receipts that are held at once.
const HELD_MAX: usize = 1_024;
/// Bytes of bodies that they were read from, all together; what is held takes a few times as much.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is still here after this long was never stored: its caller was told to try again.
const HELD_FOR: Duration = Duration::from_mins(1);

/// A receipt that was read.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) origin: Origin,
    pub(crate) integration_id: IntegrationId,
    pub(crate) decoded: Decoded,
    /// Of the body it was read from.
    pub(crate) bytes: usize,
}

/// The receipts that were read and are not processed yet, or some of them.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    ready: HashMap<ReceiptId, Ready>,
    bytes: usize,
}

impl Handover {
    /// Holds a receipt that is about to be stored, if there is room.
    pub(crate) fn put(&self, ready: Ready) {
        let mut held = self.lock();
        if !held.is_full() {
            held.bytes += ready.bytes;
            held.ready.insert(ready.origin.receipt_id, ready);
        }
    }

    /// Whether there is room for more.
    pub(crate) fn has_room(&self) -> bool {
        !self.lock().is_full()
    }

    /// Takes a receipt out.
    pub(crate) fn take(&self, id: ReceiptId) -> Option<Ready> {
        self.lock().take(id)
    }

    /// Takes out those that are here; the others stay in their places as ids.
    pub(crate) fn take_all(&self, ids: &[ReceiptId], now: Timestamp) -> Vec<Result<Ready, ReceiptId>> {
        let mut held = self.lock();
        if held.is_full() {
            held.forget_before(now.minus(HELD_FOR));
        }
        ids.iter().map(|id| held.take(*id).ok_or(*id)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn is_full(&self) -> bool {
        self.ready.len() >= HELD_MAX || self.bytes >= HELD_BYTES_MAX
    }

    fn take(&mut self, id: ReceiptId) -> Option<Ready> {
        let ready = self.ready.remove(&id)?;
        self.bytes -= ready.bytes;
        Some(ready)
    }

    fn forget_before(&mut self, moment: Timestamp) {
        self.ready.retain(|_, ready| ready.origin.received_at >= moment);
        self.bytes = self.ready.values().map(|ready| ready.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use bugle_model::id::Id;

    use super::*;

    fn ready(number: i64, at_s: i64, bytes: usize) -> Ready {
        Ready {
            origin: Origin {
                receipt_id: Id::from_i64(number),
                received_at: Timestamp::from_seconds(at_s),
                is_verified: true,
            },
            integration_id: Id::from_i64(1),
            decoded: Decoded::ignored("a test"),
            bytes,
        }
    }

    #[test]
    fn what_is_put_is_taken_once() {
        let handover = Handover::default();
        handover.put(ready(1, 10, 100));
        handover.put(ready(3, 10, 100));
        let taken = handover.take_all(&[1, 2, 3].map(Id::from_i64), Timestamp::from_seconds(10));
        let found: Vec<_> = taken.iter().map(|one| one.as_ref().err().map(|id| id.as_i64())).collect();
        assert_eq!(found, [None, Some(2), None]);
        assert!(handover.take(Id::from_i64(1)).is_none());
        assert_eq!(handover.lock().bytes, 0);
    }

    #[test]
    fn it_is_bounded_and_lets_go_of_what_was_never_stored() {
        let handover = Handover::default();
        for number in 0..i64::try_from(HELD_MAX).unwrap() + 10 {
            handover.put(ready(number, 10, 1));
        }
        assert_eq!(handover.lock().ready.len(), HELD_MAX);
        assert!(!handover.has_room());
        assert!(handover.take_all(&[], Timestamp::from_seconds(71)).is_empty());
        handover.put(ready(1_000_000, 71, HELD_BYTES_MAX));
        assert_eq!(handover.lock().ready.len(), 1, "a minute later the old ones made room");
        handover.put(ready(1_000_001, 72, 1));
        assert_eq!(handover.lock().ready.len(), 1, "its bytes fill it");
    }
}
