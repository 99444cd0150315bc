//! Counts by the minute, of the last so many minutes in which there was something to count.

use std::collections::VecDeque;

use bugle_model::Timestamp;

/// Which minute since 1970-01-01T00:00:00Z a moment is in.
pub(crate) fn minute_of(at: Timestamp) -> i64 {
    at.as_seconds().div_euclid(60)
}

/// What was counted, by minute, oldest first. Minutes in which nothing happened take no place.
#[derive(Debug)]
pub(super) struct Minutes<T> {
    kept_max: usize,
    minutes: VecDeque<(i64, T)>,
}

impl<T: Default> Minutes<T> {
    /// Keeps at most this many minutes.
    pub(super) fn new(kept_max: i64) -> Self {
        Self { kept_max: usize::try_from(kept_max).unwrap_or_default(), minutes: VecDeque::new() }
    }

    /// Counts something in a minute. That need not be the last one: clocks are set back, and stored counts are read late.
    pub(super) fn count(&mut self, minute: i64, add: impl FnOnce(&mut T)) {
        let mut place = self.minutes.partition_point(|(known, _)| *known < minute);
        if self.minutes.get(place).is_none_or(|(known, _)| *known != minute) {
            if self.minutes.len() >= self.kept_max {
                self.minutes.pop_front();
                place = place.saturating_sub(1);
            }
            self.minutes.insert(place, (minute, T::default()));
        }
        if let Some((_, counts)) = self.minutes.get_mut(place) {
            add(counts);
        }
    }

    /// The counts of the minutes after `from` up to `to`.
    pub(super) fn between(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, &T)> {
        let minutes = self.minutes.iter().map(|(minute, counts)| (*minute, counts));
        minutes.filter(move |(minute, _)| (from + 1..=to).contains(minute))
    }

    /// All counts, to be changed.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (i64, &mut T)> {
        self.minutes.iter_mut().map(|(minute, counts)| (*minute, counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_stay_in_order_and_few() {
        let mut minutes = Minutes::<u32>::new(3);
        for minute in [5, 7, 7, 6, 9, 7, 4] {
            minutes.count(minute, |count| *count += 1);
        }
        let all: Vec<_> = minutes.between(0, 100).map(|(minute, count)| (minute, *count)).collect();
        assert_eq!(all, [(4, 1), (7, 3), (9, 1)], "one that is late pushes out the oldest, as any does");
        assert_eq!(minutes.between(4, 7).map(|(minute, _)| minute).collect::<Vec<_>>(), [7]);
    }
}
