//! `bugle bench`: load on a running hub, and how it answers.
//!
//! With a rate, calls have a timetable and each is measured from when it was due: a hub that stalls cannot hide it by
//! keeping the next call from being sent.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bugle_model::{Clock, SystemClock};
use bugle_platforms::{Source, table};
use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};
use tokio_util::task::TaskTracker;

use crate::{
    Context, NotAsItShouldBe, Usage,
    cli::{ClientArgs, SecretArgs},
    client::{Client, Kept},
    config::Hidden,
    nouns,
    sample::{Phase, SampleOf},
    send::percentile,
};

/// The arguments of `bugle bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
The alerts are real for the hub: use an integration made for this. Without a secret the calls are unsigned.
Generator and hub share a machine's cores when they run on the same one.")]
pub struct BenchArgs {
    /// The platform that the calls are to come from
    #[arg(value_parser = crate::cli::platforms(), hide_possible_values = true)]
    platform: String,
    /// The integration that is to get them
    #[arg(value_parser = nouns::id)]
    integration: String,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// For how long
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Calls a second, all connections together; as many as the hub takes without
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// How many different alerts the calls are about
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    alerts: u64,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    client: ClientArgs,
}

/// What every connection shares.
struct Load {
    source: &'static dyn Source,
    integration: String,
    secret: Option<Hidden>,
    alerts: u64,
    /// Calls given out so far.
    next: AtomicU64,
    begun: Instant,
    until: Duration,
    /// Between two calls, where there is a rate.
    interval: Option<Duration>,
}

/// What one connection saw.
#[derive(Debug, Default)]
struct Seen {
    statuses: BTreeMap<u16, u64>,
    millis: Vec<f64>,
}

impl BenchArgs {
    /// Sends for as long as asked, and sums up.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let settings = self.client.settings(context)?;
        let source = table::source(&self.platform)
            .ok_or_else(|| Usage(format!("`{}` is not a platform", self.platform)))?;
        let client = Client::new(settings.hub_url(), None);
        let tasks = TaskTracker::new();
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(client.keep(&tasks).await?);
        }
        let load = Arc::new(Load {
            source,
            integration: self.integration.clone(),
            secret: self.secret.find(context)?,
            alerts: self.alerts,
            next: AtomicU64::new(0),
            begun: Instant::now(),
            until: Duration::from_secs(self.seconds),
            interval: self.rate.map(|rate| Duration::from_secs(1) / rate),
        });
        let running: Vec<_> =
            connections.into_iter().map(|connection| tasks.spawn(load.clone().run(connection))).collect();
        let mut seen = Seen::default();
        for one in running {
            seen.add(one.await??);
        }
        self.report(seen, load.begun.elapsed(), context)
    }

    fn report(&self, mut seen: Seen, took: Duration, context: &Context) -> anyhow::Result<()> {
        seen.millis.sort_by(f64::total_cmp);
        let all_accepted = seen.statuses.keys().all(|status| (200..300).contains(status));
        let sent: u64 = seen.statuses.values().sum();
        let accepted: u64 = seen.statuses.range(200..300).map(|(_, count)| count).sum();
        #[expect(clippy::cast_precision_loss, reason = "a count of calls is far below 2^52")]
        let per_second = accepted as f64 / took.as_secs_f64();
        let percentiles = [50, 90, 99, 100].map(|percent| percentile(&seen.millis, percent));
        let [p50, p90, p99, max] = percentiles;
        if self.client.json {
            let statuses: Map<String, Value> =
                seen.statuses.iter().map(|(status, count)| (status.to_string(), (*count).into())).collect();
            context.output.json(&json!({
                "connections": self.connections,
                "seconds": took.as_secs_f64(),
                "sent": sent,
                "accepted": accepted,
                "accepted_per_second": per_second,
                "statuses": statuses,
                "p50_ms": p50,
                "p90_ms": p90,
                "p99_ms": p99,
                "max_ms": max,
            }));
        } else {
            let counts: Vec<_> =
                seen.statuses.iter().map(|(status, count)| format!("{count} x {status}")).collect();
            context.output.line(format!(
                "{per_second:.0} accepted a second over {} connections for {:.1} s ({})",
                self.connections,
                took.as_secs_f64(),
                counts.join(", ")
            ));
            context.output.line(format!(
                "answered within: half {p50:.2} ms, 90 of 100 {p90:.2} ms, 99 of 100 {p99:.2} ms, all {max:.2} ms"
            ));
        }
        if all_accepted && accepted > 0 { Ok(()) } else { Err(NotAsItShouldBe.into()) }
    }
}

impl Load {
    async fn run(self: Arc<Self>, mut connection: Kept) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        while let Some((number, due)) = self.take() {
            until(due).await;
            let status = self.call(&mut connection, number).await?;
            *seen.statuses.entry(status).or_default() += 1;
            seen.millis.push(due.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(seen)
    }

    /// The next call and when it is due; none when the time is over.
    fn take(&self) -> Option<(u64, Instant)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = match self.interval {
            Some(interval) => {
                let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).saturating_mul(number);
                self.begun + Duration::from_nanos(nanos)
            }
            None => Instant::now(),
        };
        (due.saturating_duration_since(self.begun) < self.until).then_some((number, due))
    }

    async fn call(&self, connection: &mut Kept, number: u64) -> anyhow::Result<u16> {
        let key = format!("bench/web-{}", number % self.alerts);
        let sample = SampleOf {
            source: self.source,
            integration: &self.integration,
            phase: Phase::Firing,
            key: &key,
            at: SystemClock.now(),
            secret: self.secret.as_ref().map(Hidden::expose),
        };
        let sample = sample.make()?;
        let answer = connection.send(Method::POST, &sample.path, &sample.headers, sample.body).await?;
        Ok(answer.status.as_u16())
    }
}

/// Waits until a call is due. For one that is, there is no timer: the runtime's counts in whole milliseconds, and would put
/// off every call by one.
async fn until(due: Instant) {
    if due > Instant::now() {
        tokio::time::sleep_until(due.into()).await;
    }
}

impl Seen {
    fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.millis.extend(other.millis);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Poll, Waker},
    };

    use super::*;

    fn load(interval: Option<Duration>) -> Load {
        Load {
            source: table::SOURCES[0],
            integration: "int_1".into(),
            secret: None,
            alerts: 10,
            next: AtomicU64::new(0),
            begun: Instant::now(),
            until: Duration::from_secs(1),
            interval,
        }
    }

    #[test]
    fn a_rate_is_a_timetable_that_ends_in_time() {
        let load = load(Some(Duration::from_millis(250)));
        let due: Vec<_> =
            std::iter::from_fn(|| load.take()).map(|(_, due)| (due - load.begun).as_millis()).collect();
        assert_eq!(due, [0, 250, 500, 750]);
    }

    #[test]
    fn without_a_rate_each_call_is_due_at_once() {
        let load = load(None);
        let (number, due) = load.take().unwrap();
        assert!(number == 0 && due <= Instant::now());
    }

    #[tokio::test]
    async fn a_call_that_is_due_is_not_put_off() {
        let mut looking = std::task::Context::from_waker(Waker::noop());
        let (now, late) = (Instant::now(), Instant::now() + Duration::from_hours(1));
        assert_eq!(pin!(until(now)).poll(&mut looking), Poll::Ready(()));
        assert_eq!(pin!(until(late)).poll(&mut looking), Poll::Pending);
    }
}
