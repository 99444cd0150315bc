//! Load for the measurements: signed calls with unique alerts, made before the clock starts.

use std::{
    net::SocketAddr,
    ops::AddAssign,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::json;

use super::SECRET;
use crate::stand::{
    http::{Connection, request},
    random::Random,
    sign,
};

/// Bytes of a body, about what a monitor with a message of some lines sends.
const BODY_BYTES: usize = 1024;
/// Connections of the open loop: enough that a slow answer delays no later call.
const OPEN_LOOP_CONNECTIONS: usize = 16;

/// What every alert's title begins with; then comes its run, a dash and its number.
pub(super) const TITLE: &str = "Latency above target on shop-";

/// Who is called. The paths take turns.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) paths: Vec<String>,
}

/// One call that was answered with 200.
pub(super) struct Answered {
    /// Its number within its run.
    pub(super) number: usize,
    /// When the answer was there.
    pub(super) at: Instant,
}

/// What a load found.
#[derive(Default)]
pub(super) struct Tally {
    /// The answers, where they are needed later.
    pub(super) answers: Vec<Answered>,
    times: Vec<Duration>,
    elapsed: Duration,
}

impl AddAssign for Tally {
    /// What another load of the same kind found.
    fn add_assign(&mut self, other: Self) {
        self.answers.extend(other.answers);
        self.times.extend(other.times);
        self.elapsed += other.elapsed;
    }
}

impl Tally {
    /// Takes in one time.
    pub(super) fn add(&mut self, time: Duration) {
        self.times.push(time);
    }

    /// How many there were.
    pub(super) fn count(&self) -> f64 {
        f64::from(u32::try_from(self.times.len()).unwrap_or(u32::MAX))
    }

    /// From the first call to the last answer.
    pub(super) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// How many there were each second.
    pub(super) fn per_second(&self) -> f64 {
        self.count() / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The time that `percent` of the calls did not exceed.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let position = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(position).copied().unwrap_or_default()
    }
}

/// As it is shown.
pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

struct Call {
    number: usize,
    message: Vec<u8>,
}

/// `count` calls over `connections`, each sent as soon as the one before it on its connection was answered; ends early
/// when `limit` has passed.
pub(super) fn closed_loop(
    target: &Target,
    run: &str,
    connections: usize,
    count: usize,
    limit: Duration,
) -> Result<Tally> {
    let calls = prepare(target, run, count)?;
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let work = || -> Result<Tally> {
        let mut connection = Connection::open(target.address)?;
        let mut tally = Tally::default();
        while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
            let sent = Instant::now();
            if sent.duration_since(started) > limit {
                break;
            }
            exchange(&mut connection, call, sent, &mut tally)?;
        }
        Ok(tally)
    };
    in_parallel(connections, started, |_| work())
}

/// `count` calls at `rate` each second, whether or not earlier ones were answered. Times count from the moment a call was
/// due, so that a stall is not hidden by the calls that it kept from being sent.
pub(super) fn open_loop(target: &Target, run: &str, rate: u32, count: usize) -> Result<Tally> {
    let calls = prepare(target, run, count)?;
    let step = Duration::from_secs(1) / rate;
    let started = Instant::now();
    in_parallel(OPEN_LOOP_CONNECTIONS, started, |lane| {
        let mut connection = Connection::open(target.address)?;
        let mut tally = Tally::default();
        for (position, call) in calls.iter().enumerate().skip(lane).step_by(OPEN_LOOP_CONNECTIONS) {
            let due = started + step * u32::try_from(position)?;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            exchange(&mut connection, call, due, &mut tally)?;
        }
        Ok(tally)
    })
}

fn exchange(connection: &mut Connection, call: &Call, since: Instant, tally: &mut Tally) -> Result<()> {
    let answer = connection.exchange(&call.message).context("the server broke off")?;
    let at = Instant::now();
    if answer.status != 200 {
        bail!("a good call was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    tally.add(at.duration_since(since));
    tally.answers.push(Answered { number: call.number, at });
    Ok(())
}

fn in_parallel(
    lanes: usize,
    started: Instant,
    work: impl Fn(usize) -> Result<Tally> + Sync,
) -> Result<Tally> {
    let mut sum = Tally::default();
    thread::scope(|scope| -> Result<()> {
        let work = &work;
        let workers: Vec<_> = (0..lanes).map(|lane| scope.spawn(move || work(lane))).collect();
        for worker in workers {
            sum += worker.join().map_err(|_| anyhow!("a sender panicked"))??;
        }
        Ok(())
    })?;
    sum.elapsed = started.elapsed();
    ensure!(!sum.times.is_empty(), "not one call was answered");
    Ok(sum)
}

fn prepare(target: &Target, run: &str, count: usize) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(count);
    for number in 0..count {
        let body = body(run, number);
        let signature = sign::sha256_header(SECRET, &body)?;
        let headers = [("content-type", "application/json"), ("x-datadog-signature", signature.as_str())];
        let path = target.paths.get(number % target.paths.len().max(1)).context("no path to call")?;
        calls.push(Call { message: request("POST", path, &headers, &body), number });
    }
    Ok(calls)
}

fn body(run: &str, number: usize) -> Vec<u8> {
    let mut alert = json!({
        "id": format!("{run}-{number}"),
        "alert_type": "error",
        "alert_name": format!("{TITLE}{run}-{number}"),
        "alert_status": "triggered",
        "severity": "high",
        "message": "",
        "host": format!("shop-{number}"),
        "tags": ["env:bench", "service:shop"],
        "link": "https://app.example.com/monitors/7",
    });
    let length = BODY_BYTES.saturating_sub(alert.to_string().len());
    alert["message"] = text(number as u64, length).into();
    alert.to_string().into_bytes()
}

/// What a monitor may say. Of words that change and with many numbers: one sentence again and again would take next to no
/// space once it is packed.
fn text(seed: u64, length: usize) -> String {
    const WORDS: &str = "the latency of checkout is above its target on host after deploy since request queue error rate \
        percentile memory disk usage pool connections timeout upstream region zone replica lag retries consumer offset \
        partition cache evictions threads blocked payment orders search index shard node restarted probe failed exceeded \
        window minutes average maximum threshold runbook dashboard owner team escalate when recovered warning critical";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut random = Random::new(seed);
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let place = usize::try_from(random.below(words.len() as u64)).unwrap_or_default();
        text.extend(words.get(place).copied());
        text.push(' ');
        if random.below(5) == 0 {
            text.extend([
                random.below(10_000).to_string(),
                ".".into(),
                random.below(100).to_string(),
                " ".into(),
            ]);
        }
    }
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let mut tally = Tally::default();
        (1..=200).rev().for_each(|ms| tally.add(Duration::from_millis(ms)));
        for (percent, expected) in [(50, 100), (99, 198), (100, 200)] {
            assert_eq!(tally.percentile(percent), Duration::from_millis(expected));
        }
        assert_eq!(Tally::default().percentile(99), Duration::ZERO);
    }

    #[test]
    fn bodies_are_of_one_size() {
        assert_eq!(body("one", 7).len(), BODY_BYTES);
    }
}
