//! Measures the release binary beside two ceilings that run in the same minutes on the same machine:
//!
//! - ceiling A: the same HTTP stack, which reads a body, checks its HMAC, and answers;
//! - ceiling B: A, and a commit that is durable before the answer: one row for each call, one commit for all that wait.
//!
//! The absolute numbers are the machine's; the ratios are ours. Everything is on loopback and bounded in count and time.

pub(crate) mod ceiling;
mod load;
mod report;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use self::{
    ceiling::Ceiling,
    load::{Tally, Target},
    report::{Measured, Outbound},
};
use crate::{
    shell,
    stand::{
        bugle::Site,
        process::Process,
        server::{Reply, Server},
        wait_for,
    },
};

/// What senders sign with.
const SECRET: &str = "bench-source-secret";
/// The many connections of the measurements.
const CONNECTIONS: usize = 64;
/// Calls each second of the calm open loop.
const CALM: u32 = 200;
/// Calls each second of the brisk open loop.
const BRISK: u32 = 1_000;

/// How to run it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A few seconds instead of about two minutes: shows that it runs, measures nothing worth keeping.
    #[arg(long)]
    short: bool,
    /// Puts the table into README.md.
    #[arg(long)]
    write: bool,
    /// Measures this binary instead of a fresh release build.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// How much each measurement does.
#[derive(Debug, Clone, Copy)]
struct Scale {
    one: usize,
    many: usize,
    calm: usize,
    brisk: usize,
    backlog: usize,
    limit: Duration,
}

const FULL: Scale = Scale {
    one: 6_000,
    many: 40_000,
    calm: 3_000,
    brisk: 8_000,
    backlog: 10_000,
    limit: Duration::from_secs(12),
};
const SHORT: Scale =
    Scale { one: 300, many: 2_000, calm: 200, brisk: 1_000, backlog: 500, limit: Duration::from_secs(5) };

impl Options {
    /// What `check` runs.
    pub(crate) fn for_check() -> Self {
        Self { short: true, write: false, binary: None }
    }
}

/// Builds what is measured and what measures, both optimised, and has them do it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let bugle = match &options.binary {
        Some(file) => file.canonicalize()?,
        None => shell::build_release("bugle")?,
    };
    if cfg!(debug_assertions) {
        // The load and the ceilings must be optimised as well: the release build of this program goes on.
        let mut command = shell::command(shell::build_release("xtask")?);
        command.arg("bench").arg("--binary").arg(bugle);
        command.args(options.short.then_some("--short")).args(options.write.then_some("--write"));
        return shell::run(&mut command);
    }
    let scale = if options.short { SHORT } else { FULL };
    let measured = [
        measure_ceiling("A: read and check", false, scale)?,
        measure_ceiling("B: and group commit", true, scale)?,
        measure_bugle(&bugle, scale)?,
    ];
    let outbound = measure_outbound(&bugle, scale)?;
    let table = report::table(&measured, &outbound);
    println!("\n{table}");
    if options.write {
        crate::docs::write_measurements(&table)?;
    }
    Ok(())
}

fn measure_ceiling(name: &'static str, durable: bool, scale: Scale) -> Result<Measured> {
    let folder = tempfile::tempdir()?;
    let ceiling = Ceiling::start(folder.path(), durable)?;
    let target =
        Target { address: ceiling.address(), path: "/api/v1/webhooks/datadog/int_0".into(), secret: SECRET };
    measure(name, &target, scale, ceiling.process(), || Ok(()))
}

fn measure_bugle(binary: &Path, scale: Scale) -> Result<Measured> {
    let folder = tempfile::tempdir()?;
    let site = Site::new(binary, folder.path())?;
    let bugle = site.start()?;
    let target = target(&site)?;
    let measured = measure("Bugle", &target, scale, bugle.process(), || settle(&site))?;
    bugle.stop()?;
    Ok(measured)
}

fn target(site: &Site) -> Result<Target> {
    let integration = site.integration("datadog", SECRET)?;
    let path = format!("/api/v1/webhooks/datadog/{integration}");
    Ok(Target { address: site.address(), path, secret: SECRET })
}

/// Waits until every receipt has become what it becomes.
fn settle(site: &Site) -> Result<()> {
    wait_for("the pipeline to catch up", Duration::from_mins(2), || is_empty(site, "/receipts?state=pending"))
}

fn is_empty(site: &Site, path: &str) -> Result<Option<()>> {
    let page = site.call("GET", &format!("{path}&limit=1"), None)?;
    Ok(page["data"].as_array().context("a list without data")?.is_empty().then_some(()))
}

fn measure(
    name: &'static str,
    target: &Target,
    scale: Scale,
    process: &Process,
    settle: impl Fn() -> Result<()>,
) -> Result<Measured> {
    load::closed_loop(target, "warm", 1, scale.one / 10, scale.limit)?;
    settle()?;
    let idle_kib = process.resident_kib()?;
    let one = load::closed_loop(target, "one", 1, scale.one, scale.limit)?;
    settle()?;
    let started = Instant::now();
    let many = load::closed_loop(target, "many", CONNECTIONS, scale.many, scale.limit)?;
    let loaded_kib = process.peak_kib()?;
    settle()?;
    let caught_up = started.elapsed();
    let calm = load::open_loop(target, "calm", CALM, scale.calm)?;
    settle()?;
    let brisk = load::open_loop(target, "brisk", BRISK, scale.brisk)?;
    settle()?;
    println!(
        "{name}: {:.0}/s at 1, {:.0}/s at {CONNECTIONS}; p99 {:.2} ms at {BRISK}/s",
        one.per_second(),
        many.per_second(),
        load::milliseconds(brisk.percentile(99))
    );
    Ok(Measured {
        name,
        processed_per_second: many.count() / caught_up.as_secs_f64(),
        one,
        many,
        calm,
        brisk,
        idle_kib,
        loaded_kib,
    })
}

/// When each alert's first delivery arrived, by the alert's title.
type Arrivals = Arc<Mutex<HashMap<String, Instant>>>;

/// How fast what was accepted arrives, and how fast a backlog goes out.
fn measure_outbound(binary: &Path, scale: Scale) -> Result<Outbound> {
    let folder = tempfile::tempdir()?;
    let site = Site::new(binary, folder.path())?;
    let bugle = site.start()?;
    let arrivals = Arrivals::default();
    let receiver = receiver(Arc::clone(&arrivals))?;
    let target = target(&site)?;
    let destination = site.destination(&json!({
        "name": "bench receiver",
        "dialect": "standard-webhooks",
        "url": format!("http://{}/hook", receiver.address()),
        "secret": format!("whsec_{}", BASE64.encode("a bench key of thirty-two bytes")),
    }))?;

    let paced = load::open_loop(&target, "arrive", CALM, scale.calm)?;
    let lags = lags(&arrivals, &paced)?;

    let path = format!("/destinations/{destination}");
    site.call("PATCH", &path, Some(&json!({ "enabled": false })))?;
    let backlog = load::closed_loop(&target, "backlog", CONNECTIONS, scale.backlog, Duration::from_mins(1))?;
    settle(&site)?;
    arrivals.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let started = Instant::now();
    site.call("POST", &format!("{path}/enable"), None)?;
    wait_for("the backlog to arrive", Duration::from_mins(3), || {
        let arrived = arrivals.lock().unwrap_or_else(PoisonError::into_inner).len();
        Ok((arrived >= backlog.answers.len()).then_some(()))
    })?;
    let delivered_per_second = backlog.count() / started.elapsed().as_secs_f64();
    bugle.stop()?;
    Ok(Outbound { lags, delivered_per_second })
}

fn receiver(arrivals: Arrivals) -> Result<Server> {
    Server::start(move |request| {
        let now = Instant::now();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if let Some(title) = body["data"]["incident"]["title"].as_str() {
            arrivals.lock().unwrap_or_else(PoisonError::into_inner).entry(title.to_owned()).or_insert(now);
        }
        Reply::Status(204, String::new())
    })
}

/// From each 200 to the moment its delivery arrived.
fn lags(arrivals: &Arrivals, sent: &Tally) -> Result<Tally> {
    wait_for("the deliveries to arrive", Duration::from_mins(1), || {
        let arrived = arrivals.lock().unwrap_or_else(PoisonError::into_inner).len();
        Ok((arrived >= sent.answers.len()).then_some(()))
    })?;
    let arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
    let mut lags = Tally::default();
    for answer in &sent.answers {
        let arrived = arrivals.get(&answer.title).context("an alert arrived under another title")?;
        lags.add(arrived.saturating_duration_since(answer.at));
    }
    Ok(lags)
}
