//! Who gets the deliveries: notes when each alert first arrived on each path, and misbehaves on the paths that are for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::load::{TITLE, Tally};
use crate::stand::{
    server::{Reply, Request, Server},
    wait_for,
};

/// A path on which nothing is ever answered.
pub(super) const HANGS: &str = "/hangs";
/// A path on which the answer comes a byte a second.
pub(super) const DRIPS: &str = "/drips";
/// A path on which the answer is 500.
pub(super) const FAILS: &str = "/fails";

/// The receiver of the measurements.
pub(super) struct Receiver {
    server: Server,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// When each alert first arrived, by its path, a blank, its run, a dash and its number.
    arrivals: Mutex<HashMap<String, Instant>>,
    /// A body, to measure with others like it.
    sample: OnceLock<Vec<u8>>,
}

impl Receiver {
    /// Starts one on a free port.
    pub(super) fn start() -> Result<Self> {
        let seen = Arc::new(Seen::default());
        let noted = Arc::clone(&seen);
        let server = Server::start(move |request| match request.path.as_str() {
            HANGS => Reply::Hang,
            DRIPS => Reply::Drip,
            FAILS => Reply::Status(500, String::new()),
            _ => {
                noted.note(&request);
                Reply::Status(204, String::new())
            }
        })?;
        Ok(Self { server, seen })
    }

    /// Its address with `path` behind it.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// A body that was delivered.
    pub(super) fn sample(&self) -> Result<&[u8]> {
        self.seen.sample.get().map(Vec::as_slice).context("nothing was delivered yet")
    }

    /// Begins anew: what arrived until now does not count.
    pub(super) fn forget(&self) {
        self.seen.arrivals().clear();
    }

    /// How many alerts arrived, each counted once on each path.
    pub(super) fn count(&self) -> usize {
        self.seen.arrivals().len()
    }

    /// Waits until `count` alerts have arrived; gives the moment when the last one did.
    pub(super) fn wait_for(&self, count: usize, limit: Duration) -> Result<Instant> {
        wait_for(&format!("{count} deliveries to arrive"), limit, || {
            Ok((self.count() >= count).then_some(()))
        })?;
        self.seen.arrivals().values().max().copied().context("nothing was to arrive")
    }

    /// From each 200 to the moment its delivery arrived, for those whose path is known.
    pub(super) fn lags(
        &self,
        sent: &Tally,
        run: &str,
        path: impl Fn(usize) -> Option<String>,
    ) -> Result<Tally> {
        let expected: Vec<_> = sent
            .answers
            .iter()
            .filter_map(|answer| {
                Some((format!("{} {run}-{}", path(answer.number)?, answer.number), answer.at))
            })
            .collect();
        wait_for("the deliveries to arrive", Duration::from_mins(1), || {
            let arrivals = self.seen.arrivals();
            Ok(expected.iter().all(|(key, _)| arrivals.contains_key(key)).then_some(()))
        })?;
        let arrivals = self.seen.arrivals();
        let mut lags = Tally::default();
        for (key, answered) in &expected {
            let arrived = arrivals.get(key).context("a delivery got lost")?;
            lags.add(arrived.saturating_duration_since(*answered));
        }
        Ok(lags)
    }
}

impl Seen {
    fn arrivals(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for the alert's title only: to read the JSON would cost more than all else that a receiver does.
    fn note(&self, request: &Request) {
        let at = Instant::now();
        let Some(alert) = alert_of(&request.body) else { return };
        self.arrivals().entry(format!("{} {alert}", request.path)).or_insert(at);
        self.sample.get_or_init(|| request.body.clone());
    }
}

/// The run and the number of the alert that a body is about.
fn alert_of(body: &[u8]) -> Option<&str> {
    let title = body.windows(TITLE.len()).position(|window| window == TITLE.as_bytes())?;
    let rest = body.get(title + TITLE.len()..)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    str::from_utf8(rest.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alert_is_read_from_a_body() {
        assert_eq!(alert_of(format!(r#"{{"title":"{TITLE}storm-17","n":1}}"#).as_bytes()), Some("storm-17"));
        assert_eq!(alert_of(br#"{"title":"another"}"#), None);
        assert_eq!(alert_of(TITLE.as_bytes()), None);
    }
}
