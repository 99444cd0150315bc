//! The ids of senders' own whose receipts are on their way into the database.
//!
//! The journal's thread takes hold of the id that a call names before it asks the database whether that is known. It is let
//! go of when the receipt can be read there, or never will be. So of an id that nobody holds, the database knows all. A call
//! whose id is held goes to the database at once, as the writer is where calls with the same id are told apart.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bugle_model::{IntegrationId, Receipt, ReceiptId, ReceiptState};

/// A sender's own id of a call: a hash, and the integration within which it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SendersId {
    pub(crate) integration_id: IntegrationId,
    pub(crate) hash: [u8; 16],
}

impl SendersId {
    /// None when the sender names none, or is not proven: a forger must not make the true call look like a repeat.
    pub(crate) fn of(receipt: &Receipt) -> Option<Self> {
        let hash = receipt.senders_id.filter(|_| receipt.state != ReceiptState::Rejected)?;
        Some(Self { integration_id: receipt.integration_id, hash })
    }
}

/// Who holds an id.
#[derive(Debug, Default)]
struct Holders {
    count: usize,
    /// The receipt that the journal has and the database has not.
    fresh: Option<ReceiptId>,
}

/// The ids that are held.
#[derive(Debug, Default)]
pub(crate) struct Underway(Mutex<HashMap<SendersId, Holders>>);

impl Underway {
    fn lock(&self) -> MutexGuard<'_, HashMap<SendersId, Holders>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes hold of an id; tells also whether nobody else holds it.
    pub(crate) fn hold(self: &Arc<Self>, id: SendersId) -> (Held, bool) {
        let mut ids = self.lock();
        let holders = ids.entry(id).or_default();
        holders.count += 1;
        (Held { underway: Arc::clone(self), id, is_fresh: false }, holders.count == 1)
    }
}

/// A hold on an id, let go of when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    underway: Arc<Underway>,
    id: SendersId,
    is_fresh: bool,
}

impl Held {
    /// Notes that the journal has its receipt.
    pub(crate) fn mark_fresh(&mut self, receipt: ReceiptId) {
        self.is_fresh = true;
        self.underway.lock().entry(self.id).or_default().fresh = Some(receipt);
    }

    /// The receipt with this id that only the journal has.
    pub(crate) fn fresh(&self) -> Option<ReceiptId> {
        self.underway.lock().get(&self.id)?.fresh
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut ids = self.underway.lock();
        let Entry::Occupied(mut entry) = ids.entry(self.id) else { return };
        let holders = entry.get_mut();
        holders.count -= 1;
        if self.is_fresh {
            holders.fresh = None;
        }
        if holders.count == 0 {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_held_until_the_last_lets_go_and_then_takes_no_room() {
        let underway = Arc::new(Underway::default());
        let id = |of| SendersId { integration_id: IntegrationId::from_i64(of), hash: [7; 16] };
        let (mut first, is_alone) = underway.hold(id(5));
        assert!(is_alone && underway.hold(id(6)).1);
        let (second, is_alone) = underway.hold(id(5));
        assert!(!is_alone);
        first.mark_fresh(ReceiptId::from_i64(1));
        assert_eq!(second.fresh(), Some(ReceiptId::from_i64(1)));
        drop(first);
        assert_eq!(second.fresh(), None);
        assert!(!underway.hold(id(5)).1);
        drop(second);
        assert!(underway.lock().is_empty());
    }
}
