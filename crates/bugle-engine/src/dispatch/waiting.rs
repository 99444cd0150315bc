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

#[cfg(test)]
mod tests {
    use bugle_model::Timestamp;

    use super::*;
    use crate::dispatch::tests::due;

    #[test]
    fn what_was_due_first_goes_first_but_retries_leave_room() {
        let at = Timestamp::from_seconds;
        // (attempts made, due at) of what waits, slots that retry, slots, and which one goes.
        let tried_early = [(1, at(1)), (0, at(2))];
        let tried_late = [(1, at(3)), (0, at(2))];
        for (waiting, retrying, slots, expected) in [
            (tried_early.as_slice(), 0, 4, Some(1)),
            (&tried_early, 1, 4, Some(1)),
            (&tried_early, 2, 4, Some(0)),
            (&tried_early, 1, 3, Some(1)),
            (&tried_early, 2, 3, Some(0)),
            (&tried_early, 0, 1, Some(1)),
            (&tried_late, 0, 4, Some(0)),
            (&[(1, at(1))], 4, 4, Some(1)),
            (&[], 0, 4, None),
        ] {
            let mut queue = Waiting::default();
            queue.extend(waiting.iter().map(|(attempts, at)| due(*attempts, *at)));
            let next = queue.next(retrying, slots).map(|due| due.delivery.attempts);
            assert_eq!(next, expected, "{waiting:?}, {retrying} of {slots} retry");
            assert_eq!(queue.take_all().len(), waiting.len().saturating_sub(1));
        }
    }
}
