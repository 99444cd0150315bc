//! What a lane has claimed and not begun.

use std::collections::VecDeque;

use bugle_store::Due;

/// Claimed deliveries in the order in which they were due, the tried apart from the untried.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    first_tries: VecDeque<Due>,
    retries: VecDeque<Due>,
}

/// Slots that retries may take: half of them, rounded up. The others are kept for first tries even when none waits, for
/// the next alert must not wait until a receiver that lets calls hang has run into its time limit.
pub(super) const fn retry_slots(slots: usize) -> usize {
    slots.div_ceil(2)
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

    /// How many more of each kind are worth claiming for so many slots: as many as fill them twice, once fewer wait than
    /// fill them once.
    pub(super) fn room(&self, slots: usize) -> (usize, usize) {
        let of = |queue: &VecDeque<Due>, slots: usize| {
            if queue.len() < slots { 2 * slots - queue.len() } else { 0 }
        };
        (of(&self.first_tries, slots), of(&self.retries, retry_slots(slots)))
    }

    /// Takes out what was due first. `retrying` are the slots that retries have.
    ///
    /// While they have none of several, a retry goes before first tries that were due earlier: at a receiver that is
    /// slower than its calls come, each retry would wait for the whole backlog.
    pub(super) fn next(&mut self, retrying: usize, slots: usize) -> Option<Due> {
        let due_at = |due: &Due| due.delivery.next_attempt_at.unwrap_or(due.delivery.created_at);
        let retry_may = retrying < retry_slots(slots);
        let retry_must = retrying == 0 && slots > 1;
        let first_try_goes = match (self.first_tries.front(), self.retries.front()) {
            (Some(first_try), Some(retry)) => !retry_may || !retry_must && due_at(first_try) <= due_at(retry),
            (first_try, _) => first_try.is_some() || !retry_may,
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
    fn what_was_due_first_goes_first_but_each_kind_has_a_slot() {
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
            (&tried_late, 0, 4, Some(1)),
            (&tried_late, 1, 4, Some(0)),
            (&tried_late, 0, 2, Some(1)),
            (&tried_late, 1, 2, Some(0)),
            (&tried_late, 0, 1, Some(0)),
            (&[(1, at(1))], 1, 4, Some(1)),
            (&[(1, at(1))], 2, 4, None),
            (&[(0, at(1))], 2, 4, Some(0)),
            (&[], 0, 4, None),
        ] {
            let mut queue = Waiting::default();
            queue.extend(waiting.iter().map(|(attempts, at)| due(*attempts, *at)));
            let next = queue.next(retrying, slots).map(|due| due.delivery.attempts);
            assert_eq!(next, expected, "{waiting:?}, {retrying} of {slots} retry");
            assert_eq!(queue.take_all().len(), waiting.len() - usize::from(expected.is_some()));
        }
    }

    #[test]
    fn neither_kind_takes_the_others_room() {
        // (first tries, retries) that wait for 4 slots, and the room for each.
        for (first_tries, retries, expected) in
            [(0, 0, (8, 4)), (3, 1, (5, 3)), (4, 2, (0, 0)), (0, 4, (8, 0)), (8, 0, (0, 4))]
        {
            let mut queue = Waiting::default();
            let at = Timestamp::from_seconds(1);
            queue.extend((0..first_tries).map(|_| due(0, at)).chain((0..retries).map(|_| due(1, at))));
            assert_eq!(queue.room(4), expected, "{first_tries} first tries, {retries} retries");
        }
    }
}
