//! What came of attempts, and how long they took.

use std::time::Duration;

use serde::Serialize;

/// Attempts are counted by the least of these times that they took no longer than, in milliseconds; the last place is for
/// those that took longer than all.
const BOUNDS_MS: [u32; 23] = [
    1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 2_000, 5_000, 10_000, 20_000,
    60_000,
];

/// Attempts at one destination in the last hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Deliveries {
    /// Attempts that the receiver took.
    pub delivered: u64,
    /// Attempts that failed, those that are made again among them.
    pub failed: u64,
    /// Nineteen of twenty attempts took at most this long, in milliseconds, rounded up to one of some steps.
    pub p95_ms: Option<u32>,
}

/// Attempts in one minute.
#[derive(Debug, Default)]
pub(super) struct Sent {
    delivered: u32,
    failed: u32,
    times: [u32; BOUNDS_MS.len()],
}

impl Sent {
    pub(super) fn note(&mut self, is_delivered: bool, took: Duration) {
        if is_delivered {
            self.delivered += 1;
        } else {
            self.failed += 1;
        }
        let place = BOUNDS_MS.partition_point(|bound| Duration::from_millis(u64::from(*bound)) < took);
        if let Some(count) = self.times.get_mut(place.min(BOUNDS_MS.len() - 1)) {
            *count += 1;
        }
    }

    /// Several minutes together.
    pub(super) fn sum<'a>(minutes: impl Iterator<Item = &'a Self>) -> Deliveries {
        let mut sum = Deliveries::default();
        let mut times = [0_u64; BOUNDS_MS.len()];
        for minute in minutes {
            sum.delivered += u64::from(minute.delivered);
            sum.failed += u64::from(minute.failed);
            for (time, count) in times.iter_mut().zip(minute.times) {
                *time += u64::from(count);
            }
        }
        let wanted = (sum.delivered + sum.failed).saturating_mul(95).div_ceil(100);
        let mut seen = 0;
        sum.p95_ms = BOUNDS_MS.into_iter().zip(times).find_map(|(bound, count)| {
            seen += count;
            (seen >= wanted && seen > 0).then_some(bound)
        });
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nineteen_of_twenty_took_no_longer() {
        let mut minutes = [Sent::default(), Sent::default()];
        for number in 0..100 {
            let took = if number < 95 { Duration::from_micros(2_500) } else { Duration::from_secs(3) };
            minutes[number % 2].note(number != 7, took);
        }
        let sum = Sent::sum(minutes.iter());
        assert_eq!(sum, Deliveries { delivered: 99, failed: 1, p95_ms: Some(3) });
        minutes[0].note(false, Duration::from_secs(100));
        assert_eq!(Sent::sum(minutes.iter()).p95_ms, Some(5_000));
        assert_eq!(Sent::sum([].into_iter()), Deliveries::default());
        let mut slow = Sent::default();
        slow.note(true, Duration::from_secs(100));
        assert_eq!(Sent::sum([&slow].into_iter()).p95_ms, Some(60_000));
    }
}
