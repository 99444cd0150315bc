//! What a lane has claimed and not begun.

use std::collections::VecDeque;

use bugle_store::Due;

/// Claimed deliveries in the order in which they were due, the tried apart from the untried.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    first_tries: VecDeque<Due>,
    retries: VecDeque<Due>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.first_tries.len() + self.retries.len()
    }

    pub(super) fn extend(&mut self, claimed: impl IntoIterator<Item = Due>) {
        for due in claimed {
            let queue = if due.delivery.attempts == 0 { &mut self.first_tries } else { &mut self.retries };
            queue.push_back(due);
        }
    }

    /// Takes out what was due first. But retries take at most half of the slots, rounded up, while first tries wait:
    /// a receiver that lets some calls hang must not make all others late. `retrying` are the slots they have.
    pub(super) fn next(&mut self, retrying: usize, slots: usize) -> Option<Due> {
        let due_at = |due: &Due| due.delivery.next_attempt_at.unwrap_or(due.delivery.created_at);
        let first_try_goes = match (self.first_tries.front(), self.retries.front()) {
            (Some(first_try), Some(retry)) => {
                retrying >= slots.div_ceil(2) || due_at(first_try) <= due_at(retry)
            }
            (first_try, _) => first_try.is_some(),
        };
        if first_try_goes { self.first_tries.pop_front() } else { self.retries.pop_front() }
    }

    /// Takes out everything.
    pub(super) fn take_all(&mut self) -> Vec<Due> {
        self.first_tries.drain(..).chain(self.retries.drain(..)).collect()
    }
}
