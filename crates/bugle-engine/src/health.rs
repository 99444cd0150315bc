//! What really happened lately at each platform's endpoint.

use std::{collections::BTreeMap, sync::Mutex};

use bugle_model::Timestamp;
use bugle_platforms::table;
use serde::Serialize;

/// Minutes that count as lately.
const MINUTES: usize = 15;

/// What happened to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was made durable, and understood.
    Accepted,
    /// Its sender was not proven.
    Rejected,
    /// It was not understood.
    Undecodable,
    /// It could not be made durable.
    StoreFailed,
}

/// How an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointHealth {
    /// Nothing failed in the last 15 minutes.
    Operational,
    /// Some calls were rejected, not understood, or not stored.
    Degraded,
    /// Calls came and none got in.
    Down,
}

/// How all endpoints do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// `healthy`, or `degraded` when any endpoint is not operational.
    pub status: &'static str,
    /// Each platform.
    pub endpoints: BTreeMap<&'static str, EndpointHealth>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Minute {
    number: i64,
    accepted: u32,
    failed: u32,
}

/// Counts of the last minutes, for each platform.
#[derive(Debug)]
pub struct Health {
    windows: Vec<(&'static str, Mutex<[Minute; MINUTES]>)>,
}

impl Default for Health {
    fn default() -> Self {
        let window = |slug| (slug, Mutex::new([Minute::default(); MINUTES]));
        Self { windows: table::SOURCES.iter().map(|source| window(source.slug())).collect() }
    }
}

impl Health {
    pub(crate) fn heard(&self, platform: &str, what: Heard, at: Timestamp) {
        let number = at.as_seconds() / 60;
        let Some((_, window)) = self.windows.iter().find(|(slug, _)| *slug == platform) else { return };
        let Ok(mut window) = window.lock() else { return };
        let index = usize::try_from(number).unwrap_or_default() % MINUTES;
        let Some(minute) = window.get_mut(index) else { return };
        if minute.number != number {
            *minute = Minute { number, ..Minute::default() };
        }
        match what {
            Heard::Accepted => minute.accepted += 1,
            Heard::Rejected | Heard::Undecodable | Heard::StoreFailed => minute.failed += 1,
        }
    }

    /// How all endpoints do at `now`.
    pub fn report(&self, now: Timestamp) -> HealthReport {
        let endpoints: BTreeMap<_, _> =
            self.windows.iter().map(|(slug, window)| (*slug, judge(window, now))).collect();
        let healthy = endpoints.values().all(|health| *health == EndpointHealth::Operational);
        HealthReport { status: if healthy { "healthy" } else { "degraded" }, endpoints }
    }
}

fn judge(window: &Mutex<[Minute; MINUTES]>, now: Timestamp) -> EndpointHealth {
    let Ok(window) = window.lock() else { return EndpointHealth::Down };
    let since = now.as_seconds() / 60 - i64::try_from(MINUTES).unwrap_or_default();
    let lately = window.iter().filter(|minute| minute.number > since);
    let (accepted, failed) = lately.fold((0, 0), |(a, f), minute| (a + minute.accepted, f + minute.failed));
    match (accepted, failed) {
        (_, 0) => EndpointHealth::Operational,
        (0, _) => EndpointHealth::Down,
        _ => EndpointHealth::Degraded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_happened_and_forgets_it_after_a_quarter_of_an_hour() {
        let slug = table::SOURCES.first().unwrap().slug();
        let health = Health::default();
        let at = |minute: i64| Timestamp::from_seconds(1_795_000_000 + minute * 60);
        let state = |minute| *health.report(at(minute)).endpoints.get(slug).unwrap();
        assert_eq!(state(0), EndpointHealth::Operational);
        health.heard(slug, Heard::Rejected, at(0));
        assert_eq!(state(0), EndpointHealth::Down);
        health.heard(slug, Heard::Accepted, at(3));
        assert_eq!(state(3), EndpointHealth::Degraded);
        assert_eq!(state(16), EndpointHealth::Operational);
    }
}
