//! Whether a destination that fails costs the others anything: the time from accepted to arrived at 99 healthy ones, of a
//! server on which one more fails and of a twin on which all is well. Both run at the same time, so that whatever else
//! happens on the machine happens to both.

use std::thread;

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use super::{
    Bench, SECRET,
    load::{self, Tally, Target, milliseconds},
    receiver::{DRIPS, FAILS, HANGS, Receiver},
    report::{Figure, Goal},
    stage::{Stage, destination, webhook_path},
};
use crate::stand::free_address;

/// All destinations; the first is the one that fails.
const DESTINATIONS: usize = 100;
/// Every so many calls one is for the first destination, ten times what another gets, so that its trouble is felt.
const FIRST_EVERY: usize = 10;
/// Calls each second to each of the two.
const RATE: u32 = 400;
/// Calls that open the connections to all destinations.
const WARM: usize = 400;
/// Short, so that attempts that hang end within the measurement and are made again.
const TIMEOUT_MS: u32 = 1_000;

/// A destination that fails, in the way that the words say.
struct Failure {
    what: &'static str,
    url: fn(&Receiver) -> Result<String>,
}

const FAILURES: [Failure; 4] = [
    Failure { what: "hangs", url: |receiver| Ok(receiver.url(HANGS)) },
    Failure { what: "drips a byte a second", url: |receiver| Ok(receiver.url(DRIPS)) },
    Failure { what: "answers 500", url: |receiver| Ok(receiver.url(FAILS)) },
    Failure { what: "refuses connections", url: |_| Ok(format!("http://{}/", free_address()?)) },
];

/// Each way to fail, on servers of its own.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for failure in &FAILURES {
        let [healthy, failing] = measure_one(bench, failure)?;
        figures.push(
            Figure::time(format!("p99 while one {}", failure.what), failing.percentile(99))
                .beside("all well", milliseconds(healthy.percentile(99)))
                .goal(Goal::RatioAtMost(1.2)),
        );
    }
    Ok(figures)
}

/// The times at the 99 of a server on which all is well, and at those of its twin, on which the first one fails.
fn measure_one(bench: &Bench, failure: &Failure) -> Result<[Tally; 2]> {
    let (healthy, failing) = (Side::start(bench)?, Side::start(bench)?);
    let bad = json!({ "url": (failure.url)(&failing.receiver)? });
    failing.stage.site.call("PATCH", &format!("/destinations/{}", failing.first), Some(&bad))?;
    let times = thread::scope(|scope| -> Result<[Tally; 2]> {
        let twins = [&healthy, &failing].map(|side| scope.spawn(|| side.load("fair", bench.amounts.fair)));
        let [healthy, failing] = twins.map(|twin| twin.join().map_err(|_| anyhow!("a load panicked"))?);
        Ok([healthy?, failing?])
    })?;
    healthy.stage.kill()?;
    failing.stage.kill()?;
    Ok(times)
}

/// A server with its receiver.
struct Side {
    receiver: Receiver,
    stage: Stage,
    target: Target,
    /// The destination that may fail.
    first: String,
}

impl Side {
    /// Starts one on which all is well, and opens its connections.
    fn start(bench: &Bench) -> Result<Self> {
        let receiver = Receiver::start()?;
        let stage = Stage::start(&bench.binary)?;
        let (target, first) = routes(&stage, &receiver)?;
        let side = Self { receiver, stage, target, first };
        side.load("warm", WARM)?;
        Ok(side)
    }

    /// From accepted to arrived at the 99.
    fn load(&self, run: &str, count: usize) -> Result<Tally> {
        let sent = load::open_loop(&self.target, run, RATE, count)?;
        self.receiver.lags(&sent, run, path_of_healthy)
    }
}

/// An integration for each destination, which wants what comes by it. Gives whom to call, and the first destination's id.
fn routes(stage: &Stage, receiver: &Receiver) -> Result<(Target, String)> {
    let mut first = None;
    let mut webhooks = Vec::new();
    for number in 0..DESTINATIONS {
        let integration = stage.site.integration("datadog", SECRET)?;
        let mut wanted = destination(receiver, number);
        wanted["filter"] = json!({ "integrations": [integration] });
        wanted["timeout_ms"] = json!(TIMEOUT_MS);
        // The circuit would end the trouble that is to be measured.
        wanted["circuit"] = json!({ "failure_threshold": 10_000 });
        wanted["retry"] = json!({ "initial_delay_ms": 1_000 });
        let id = stage.site.destination(&wanted)?;
        first.get_or_insert(id);
        webhooks.push(webhook_path(&integration));
    }
    let turns = 0..FIRST_EVERY * (DESTINATIONS - 1);
    let paths = turns.filter_map(|call| webhooks.get(destination_of(call)).cloned()).collect();
    Ok((Target { address: stage.target.address, paths }, first.context("no destination was made")?))
}

/// The destination that a call is for.
const fn destination_of(call: usize) -> usize {
    if call.is_multiple_of(FIRST_EVERY) { 0 } else { 1 + call % (DESTINATIONS - 1) }
}

fn path_of_healthy(call: usize) -> Option<String> {
    let destination = destination_of(call);
    (destination > 0).then(|| format!("/{destination}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_take_turns_as_the_destinations_do() {
        let turns = FIRST_EVERY * (DESTINATIONS - 1);
        for call in 0..turns {
            assert_eq!(destination_of(call), destination_of(call + turns));
            assert!(destination_of(call) < DESTINATIONS);
        }
        let first = (0..turns).filter(|call| path_of_healthy(*call).is_none()).count();
        assert_eq!(first, turns / FIRST_EVERY);
    }
}
