//! What came and went lately, counted by the minute, for people who look: calls of each platform in the last day, calls of
//! each source and attempts of each destination in the last hour.
//!
//! All of it is in memory and bounded. The day's calls are written behind, every ten seconds and at shutdown, so that a
//! restart keeps them; `kill -9` loses the counts of at most the last ten seconds, and never a call. What is of the last hour
//! starts afresh with the process. Nothing is decided by these counts.

mod minutes;
mod sent;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bugle_model::{DestinationId, IntegrationId, Timestamp};
use bugle_platforms::table;
use bugle_store::{CallCount, PageRequest, ReceiptFilter, StoreError};
use serde::Serialize;

use crate::{Engine, health::Heard};
use minutes::{Minutes, minute_of};
use sent::Sent;

pub use sent::Deliveries;

/// Minutes of calls that are kept of each platform: a day.
const DAY_MINUTES: i64 = 24 * 60;
/// Minutes that are kept of each source and each destination.
const HOUR_MINUTES: i64 = 60;
/// Minutes that one count of [`Calls`] is of.
pub const STEP_MINUTES: i64 = 10;
/// How often the day's calls are written.
const EVERY: Duration = Duration::from_secs(10);

/// Calls of one platform in the last day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// The platform's slug.
    pub platform: &'static str,
    /// All of them.
    pub total: u64,
    /// How many in each ten minutes, the last ones up to now.
    pub counts: Vec<u64>,
}

/// Calls of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Heardings {
    /// When the last one came, whatever became of it.
    pub last_heard_at: Option<Timestamp>,
    /// Taken in, in the last hour.
    pub accepted: u64,
    /// Not proven, in the last hour.
    pub rejected: u64,
    /// Not understood, in the last hour.
    pub undecodable: u64,
    /// Not stored, in the last hour.
    pub not_stored: u64,
}

/// Calls of a platform in one minute.
#[derive(Debug, Default)]
struct Minute {
    calls: u64,
    /// Those of them that are in no store yet.
    unwritten: u64,
}

#[derive(Debug)]
struct Source {
    last_heard_at: Option<Timestamp>,
    /// In the order of [`place_of`].
    minutes: Minutes<[u32; 4]>,
}

impl Default for Source {
    fn default() -> Self {
        Self { last_heard_at: None, minutes: Minutes::new(HOUR_MINUTES) }
    }
}

const fn place_of(heard: Heard) -> usize {
    match heard {
        Heard::Accepted => 0,
        Heard::Rejected => 1,
        Heard::Undecodable => 2,
        Heard::StoreFailed => 3,
    }
}

/// The counts.
#[derive(Debug)]
pub(crate) struct Activity {
    platforms: Vec<(&'static str, Mutex<Minutes<Minute>>)>,
    sources: Mutex<HashMap<IntegrationId, Source>>,
    destinations: Mutex<HashMap<DestinationId, Minutes<Sent>>>,
}

impl Default for Activity {
    fn default() -> Self {
        let day = || Mutex::new(Minutes::new(DAY_MINUTES));
        Self {
            platforms: table::SOURCES.iter().map(|source| (source.slug(), day())).collect(),
            sources: Mutex::default(),
            destinations: Mutex::default(),
        }
    }
}

/// Counts are whole after every step, so that a panic elsewhere does not spoil them.
fn lock<T>(counts: &Mutex<T>) -> MutexGuard<'_, T> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Activity {
    /// A call came.
    pub(crate) fn heard(&self, platform: &str, from: IntegrationId, what: Heard, at: Timestamp) {
        let minute = minute_of(at);
        if matches!(what, Heard::Accepted | Heard::Undecodable) {
            self.count_calls(platform, minute, |counts| {
                counts.calls += 1;
                counts.unwritten += 1;
            });
        }
        let mut sources = lock(&self.sources);
        let source = sources.entry(from).or_default();
        source.last_heard_at = source.last_heard_at.max(Some(at));
        source.minutes.count(minute, |counts| {
            if let Some(count) = counts.get_mut(place_of(what)) {
                *count += 1;
            }
        });
    }

    /// An attempt ended.
    pub(crate) fn sent(&self, to: DestinationId, is_delivered: bool, took: Duration, at: Timestamp) {
        let mut destinations = lock(&self.destinations);
        let minutes = destinations.entry(to).or_insert_with(|| Minutes::new(HOUR_MINUTES));
        minutes.count(minute_of(at), |sent| sent.note(is_delivered, took));
    }

    fn count_calls(&self, platform: &str, minute: i64, add: impl FnOnce(&mut Minute)) {
        if let Some((_, minutes)) = self.platforms.iter().find(|(slug, _)| *slug == platform) {
            lock(minutes).count(minute, add);
        }
    }

    /// The day's calls of each platform that called.
    pub(crate) fn calls(&self, now: Timestamp) -> Vec<Calls> {
        let now = minute_of(now);
        let steps = usize::try_from(DAY_MINUTES / STEP_MINUTES).unwrap_or_default();
        let of_platform = |(platform, minutes): &(&'static str, Mutex<Minutes<Minute>>)| {
            let mut counts = vec![0; steps];
            for (minute, found) in lock(minutes).between(now - DAY_MINUTES, now) {
                let steps_ago = usize::try_from((now - minute) / STEP_MINUTES).unwrap_or(steps);
                if let Some(count) = steps.checked_sub(steps_ago + 1).and_then(|place| counts.get_mut(place))
                {
                    *count += found.calls;
                }
            }
            Calls { platform, total: counts.iter().sum(), counts }
        };
        self.platforms.iter().map(of_platform).filter(|calls| calls.total > 0).collect()
    }

    /// What came from a source.
    pub(crate) fn of_source(&self, id: IntegrationId, now: Timestamp) -> Heardings {
        let (now, sources) = (minute_of(now), lock(&self.sources));
        let Some(source) = sources.get(&id) else { return Heardings::default() };
        let mut sums = [0_u64; 4];
        for (_, counts) in source.minutes.between(now - HOUR_MINUTES, now) {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += u64::from(*count);
            }
        }
        let [accepted, rejected, undecodable, not_stored] = sums;
        Heardings { last_heard_at: source.last_heard_at, accepted, rejected, undecodable, not_stored }
    }

    /// What came of attempts at a destination.
    pub(crate) fn of_destination(&self, id: DestinationId, now: Timestamp) -> Deliveries {
        let (now, destinations) = (minute_of(now), lock(&self.destinations));
        let minutes = destinations.get(&id).into_iter();
        Sent::sum(minutes.flat_map(|minutes| minutes.between(now - HOUR_MINUTES, now)).map(|(_, sent)| sent))
    }

    /// What is in no store yet; it counts as written from now on.
    fn take_unwritten(&self) -> Vec<CallCount> {
        let mut taken = Vec::new();
        for (platform, minutes) in &self.platforms {
            for (minute, counts) in lock(minutes).all_mut().filter(|(_, counts)| counts.unwritten > 0) {
                let calls = std::mem::take(&mut counts.unwritten);
                taken.push(CallCount { minute, platform: (*platform).to_owned(), calls });
            }
        }
        taken
    }

    /// It could not be written after all.
    fn put_back(&self, counts: &[CallCount]) {
        for CallCount { minute, platform, calls } in counts {
            self.count_calls(platform, *minute, |counts| counts.unwritten += calls);
        }
    }

    /// Lets go of what was deleted.
    fn keep(
        &self,
        is_source: impl Fn(IntegrationId) -> bool,
        is_destination: impl Fn(DestinationId) -> bool,
    ) {
        lock(&self.sources).retain(|id, _| is_source(*id));
        lock(&self.destinations).retain(|id, _| is_destination(*id));
    }
}

impl Engine {
    /// Runs until shutdown, and writes once more then.
    pub(crate) async fn run_activity(self: Arc<Self>) {
        let mut is_restored = false;
        loop {
            let done = self.keep_activity(&mut is_restored).await;
            if let Err(error) = done {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "the activity could not be kept; it is tried again");
            }
            if self.stopping().is_cancelled() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.stopping().cancelled() => {}
            }
        }
    }

    /// Reads what an earlier process counted, at first; writes what was counted since.
    pub(crate) async fn keep_activity(&self, is_restored: &mut bool) -> Result<(), StoreError> {
        let from_minute = minute_of(self.clock().now()) - DAY_MINUTES;
        if !*is_restored {
            for CallCount { minute, platform, calls } in self.store().activity(from_minute).await? {
                self.activity().count_calls(&platform, minute, |counts| counts.calls += calls);
            }
            *is_restored = true;
            self.remember_last_heard().await?;
        }
        let directory = self.directory();
        self.activity()
            .keep(|id| directory.integration(id).is_some(), |id| directory.destination(id).is_some());
        let counts = self.activity().take_unwritten();
        if counts.is_empty() {
            return Ok(());
        }
        let added = self.store().add_activity(counts.clone(), from_minute).await;
        if added.is_err() {
            self.activity().put_back(&counts);
        }
        added
    }

    /// A source is not silent because this process has not heard it yet.
    async fn remember_last_heard(&self) -> Result<(), StoreError> {
        for integration in self.directory().integrations() {
            let filter = ReceiptFilter { integration_id: Some(integration.id), state: None };
            let newest = self.store().receipts(filter, PageRequest { cursor: None, limit: 1 }).await?;
            if let Some(receipt) = newest.data.first() {
                let mut sources = lock(&self.activity().sources);
                let source = sources.entry(integration.id).or_default();
                source.last_heard_at = source.last_heard_at.max(Some(receipt.received_at));
            }
        }
        Ok(())
    }
}
