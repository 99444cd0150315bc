//! Which deliveries are under way. Kept in memory only: after a restart nothing is, so what was under way is sent again.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bugle_store::Due;

/// The claimed deliveries' ids.
///
/// A claim is made while a read that began under the lock is looking, and given up only after the commit that settles
/// the delivery: so no read can find a delivery both unsettled and unclaimed once it has been handed out.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<HashSet<i64>>);

impl Claims {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn give_up(&self, ids: impl IntoIterator<Item = i64>) {
        let mut claimed = self.lock();
        for id in ids {
            claimed.remove(&id);
        }
    }
}

/// Claims that nobody has taken over yet. Dropped on the way, because a read failed or its caller went away, it gives
/// them up again.
#[derive(Debug)]
pub(crate) struct Claimed {
    claims: Arc<Claims>,
    ids: Vec<i64>,
    due: Vec<Due>,
}

impl Claimed {
    pub(crate) fn new(claims: Arc<Claims>, ids: Vec<i64>) -> Self {
        Self { claims, due: Vec::with_capacity(ids.len()), ids }
    }

    pub(crate) fn ids(&self) -> Vec<i64> {
        self.ids.clone()
    }

    pub(crate) fn push(&mut self, due: Due) {
        self.due.push(due);
    }

    /// Turns them round, when the last was pushed first.
    pub(crate) fn reverse(&mut self) {
        self.due.reverse();
    }

    /// Hands the deliveries to whom they were claimed for.
    pub(crate) fn take(mut self) -> Vec<Due> {
        self.ids.clear();
        std::mem::take(&mut self.due)
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.claims.give_up(self.ids.drain(..));
    }
}
