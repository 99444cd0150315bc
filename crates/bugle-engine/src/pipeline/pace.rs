//! How the pipeline shares the machine with those who are calling.
//!
//! A call that waits to be made durable has a person's alert in its hand and a sender that gives up; a receipt that waits
//! in the inbox is safe. So while many callers wait, the pipeline works a fixed share of the time and no less, in batches so
//! short that no caller waits long for a core; it catches up when the storm is over, in large ones. While calls only come fast
//! one after another, batches are kept apart, so that not every call finds one in its way.

use std::{
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// As many callers that waited at once are a storm: more than the few that a quiet hub's senders keep open together.
const STORM_CALLERS_MIN: usize = 12;
/// In a storm the pipeline rests so many times as long as its last batch took: it keeps a ninth of the time.
const STORM_REST: u32 = 8;
/// Receipts in one transaction while many callers wait, as a batch keeps a core busy. With 64 a third fewer incidents came of
/// a storm, and no more calls were taken in. With 512, and a longer log of the database, the p99 of calls was 16 ms and not 8.
const STORM_BATCH_MAX: u32 = 128;
/// Receipts in one transaction otherwise. More would make each wait longer; fewer would pay more for durability.
const BATCH_MAX: u32 = 512;
/// Longest rest, so that even in a storm what waits moves on several times a second.
const REST_MAX: Duration = Duration::from_millis(100);
/// From one batch's beginning to the next when 1,000 calls come in a second. It grows with their rate, and beyond with its
/// square: at 200 calls a second it is 1 ms, at 3,000 45 ms.
const APART_AT_1000: Duration = Duration::from_millis(5);
/// Over how long calls are counted for their rate: a few that happen to come together are no rate.
const RATE_OVER: Duration = Duration::from_millis(100);
/// Farthest that batches are kept apart.
const APART_MAX: Duration = Duration::from_millis(50);

/// The calls that are being taken in.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    waiting: AtomicUsize,
    /// Most that waited at once since the last batch. How many wait now says little: a commit answers them all.
    most_waiting: AtomicUsize,
    arrived: AtomicU32,
}

impl Arrivals {
    /// How many receipts to take at once now.
    pub(super) fn batch(&self) -> u32 {
        batch(self.most_waiting.load(Ordering::Relaxed))
    }

    /// A call waits to be made durable until what is returned is dropped.
    pub(crate) fn wait(&self) -> Caller<'_> {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_waiting.fetch_max(waiting, Ordering::Relaxed);
        Caller(self)
    }
}

/// A call that waits to be made durable.
pub(crate) struct Caller<'a>(&'a Arrivals);

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// When batches began, and how fast calls come.
#[derive(Debug)]
pub(super) struct Pace {
    began: Instant,
    began_before: Instant,
    /// Calls a second.
    rate: f64,
}

impl Default for Pace {
    fn default() -> Self {
        let now = Instant::now();
        Self { began: now, began_before: now, rate: 0.0 }
    }
}

impl Pace {
    /// A batch begins.
    pub(super) fn begin(&mut self) {
        self.began_before = std::mem::replace(&mut self.began, Instant::now());
    }

    /// How long to rest after it.
    pub(super) fn rest(&mut self, arrivals: &Arrivals) -> Duration {
        let arrived = arrivals.arrived.swap(0, Ordering::Relaxed);
        let callers = arrivals.most_waiting.swap(arrivals.waiting.load(Ordering::Relaxed), Ordering::Relaxed);
        self.rate = rate(self.rate, arrived, self.began.duration_since(self.began_before));
        rest(self.began.elapsed(), self.rate, callers)
    }
}

/// How many receipts to take at once when most `callers` waited at once.
fn batch(callers: usize) -> u32 {
    if callers >= STORM_CALLERS_MIN { STORM_BATCH_MAX } else { BATCH_MAX }
}

/// How fast calls come, when it was `before` and `arrived` came in the time `since`.
fn rate(before: f64, arrived: u32, since: Duration) -> f64 {
    let seconds = since.as_secs_f64().max(1e-6);
    let weight = (seconds / RATE_OVER.as_secs_f64()).min(1.0);
    before + (f64::from(arrived) / seconds - before) * weight
}

/// How long to rest after a batch that took `took`, when calls come at `rate` and most `callers` waited at once.
fn rest(took: Duration, rate: f64, callers: usize) -> Duration {
    if callers >= STORM_CALLERS_MIN {
        return (took * STORM_REST).min(REST_MAX);
    }
    let thousands = rate / 1_000.0;
    let apart = APART_AT_1000.mul_f64((thousands * thousands.max(1.0)).min(1e3)).min(APART_MAX);
    apart.saturating_sub(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn batches_are_short_while_many_wait() {
        assert!(batch(STORM_CALLERS_MIN) < batch(STORM_CALLERS_MIN - 1));
    }

    #[test]
    fn those_count_who_waited_since_the_last_batch() {
        let arrivals = Arrivals::default();
        let crowd: Vec<_> = (0..STORM_CALLERS_MIN).map(|_| arrivals.wait()).collect();
        drop(crowd);
        let lone = arrivals.wait();
        assert_eq!(arrivals.batch(), STORM_BATCH_MAX, "a commit has just answered the crowd");
        Pace::default().rest(&arrivals);
        assert_eq!(arrivals.batch(), BATCH_MAX, "the crowd was gone before this batch");
        drop(lone);
    }

    #[test]
    fn rests_as_it_should() {
        for (took, rate, callers, expected_us) in [
            (2 * MS, 0.0, 0, 0),
            (2 * MS, 100.0, 1, 0),
            (MS / 2, 200.0, 1, 500),
            (MS, 1_000.0, 1, 4_000),
            (MS, 3_000.0, 1, 44_000),
            (MS, 300_000.0, 4, 49_000),
            (60 * MS, 60_000.0, 4, 0),
            (5 * MS, 20_000.0, 40, 40_000),
            (60 * MS, 20_000.0, 40, 100_000),
        ] {
            let rest = rest(took, rate, callers);
            assert_eq!(rest.as_micros(), expected_us, "{took:?} {rate} {callers}");
        }
    }

    #[test]
    fn a_few_that_come_together_are_no_rate() {
        assert!(rate(0.0, 3, MS) < 50.0);
        let fast = (0..40).fold(0.0, |before, _| rate(before, 15, 5 * MS));
        assert!((2_500.0..3_500.0).contains(&fast), "{fast}");
        assert!(rate(fast, 1, 1_000 * MS) < 50.0, "a second later it is quiet");
    }
}
