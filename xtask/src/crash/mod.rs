//! Kills the server under load, again and again, and then looks for what is missing.
//!
//! Every call that was answered with 200 must have become an incident, exactly one for each alert; every event of it must
//! have reached a receiver that fails a third of its answers, with a valid signature and in sequence. All of it is judged
//! from outside: by what was answered, what the API lists, and what the receiver got.

mod judge;
mod load;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;

use self::judge::{Arrival, Incident};
use crate::stand::{
    bugle::Site,
    random::Random,
    server::{Reply, Request, Server},
    sign, wait_for,
};

/// Senders at the same time, each with a connection of its own.
const SENDERS: u64 = 6;
/// Longest wait, after the last kill, for everything to be delivered.
const DRAIN_WITHIN: Duration = Duration::from_mins(4);
const SOURCE_SECRET: &str = "crash-test-source-secret";

/// How to run it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often to kill the server.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    kills: u32,
    /// Chooses moments and outcomes; printed by every run, so that one can be made again.
    #[arg(long)]
    seed: Option<u64>,
}

impl Options {
    /// What `check` runs.
    pub(crate) fn for_check() -> Self {
        Self { kills: 50, seed: None }
    }
}

/// Runs it against `binary`; anything that is missing is the error.
pub(crate) fn run(binary: &Path, options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(Random::fresh_seed);
    println!("crash: {} kills, seed {seed}", options.kills);
    let folder = tempfile::Builder::new().prefix("bugle-crash-").tempdir()?;
    let site = Site::new(binary, folder.path())?;
    let mut bugle = site.start()?;
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let receiver = start_receiver(Random::new(seed ^ 1), Arc::clone(&arrivals))?;
    let integration = site.integration("datadog", SOURCE_SECRET)?;
    make_destination(&site, &receiver)?;

    let load = load::start(site.address(), &integration, SOURCE_SECRET, SENDERS, seed ^ 2);
    let mut random = Random::new(seed);
    let started = Instant::now();
    for _ in 0..options.kills {
        thread::sleep(random.millis(20, 900));
        bugle.kill()?;
        bugle = site.launch()?;
        // Now and then the next kill may come before it is ready, in the midst of its recovery.
        if random.below(4) != 0 {
            bugle.wait_ready()?;
        }
    }
    bugle.wait_ready()?;
    let sent = load.finish()?;
    println!(
        "crash: {} kills in {:.0} s; {} calls answered 200 for {} alerts, {} calls broken off, {} refused for a while",
        options.kills,
        started.elapsed().as_secs_f64(),
        sent.answered,
        sent.alerts.len(),
        sent.broken,
        sent.refused
    );
    ensure!(sent.alerts.len() >= options.kills as usize, "too little load to prove anything");
    drain(&site)?;

    let incidents: Vec<_> = site.list("/incidents")?.iter().map(Incident::read).collect::<Result<_>>()?;
    let arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
    let verdict = judge::judge(&sent.alerts, &incidents, &arrivals);
    println!("crash: {verdict}");
    bugle.stop()?;
    ensure!(verdict.problems.is_empty(), "seed {seed}:\n{}", verdict.first_problems());
    Ok(())
}

fn receiver_secret() -> String {
    format!("whsec_{}", BASE64.encode("another key of thirty-two bytes."))
}

fn make_destination(site: &Site, receiver: &Server) -> Result<String> {
    site.destination(&json!({
        "name": "a receiver that fails a third of its answers",
        "dialect": "standard-webhooks",
        "url": format!("http://{}/hook", receiver.address()),
        "secret": receiver_secret(),
        "retry": { "max_attempts": 1000, "initial_delay_ms": 50, "factor": 1.5, "max_delay_ms": 500, "jitter": 0.2 },
        "circuit": { "failure_threshold": 10_000, "open_ms": 100, "on_open": "pause" },
    }))
}

/// Of three answers one fails: with a 500, or by closing the connection.
fn start_receiver(random: Random, arrivals: Arc<Mutex<Vec<Arrival>>>) -> Result<Server> {
    let secret = receiver_secret();
    let random = Mutex::new(random);
    Server::start(move |request: Request| {
        let chance = random.lock().unwrap_or_else(PoisonError::into_inner).below(6);
        match chance {
            0 => return Reply::HangUp,
            1 => return Reply::Status(500, "not now".to_owned()),
            _ => {}
        }
        let valid = sign::check_standard_webhooks(&secret, &request.headers, &request.body);
        let arrival = valid.and_then(|()| Arrival::read(&request.body));
        let status = if arrival.is_ok() { 204 } else { 400 };
        let arrival = arrival.unwrap_or_else(|problem| Arrival::Invalid(format!("{problem:#}")));
        arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        Reply::Status(status, String::new())
    })
}

/// Waits until nothing is left to do: no receipt to process, no delivery to make.
fn drain(site: &Site) -> Result<()> {
    wait_for("everything to be delivered", DRAIN_WITHIN, || {
        for path in ["/receipts?state=pending", "/deliveries?state=pending", "/deliveries?state=blocked"] {
            let page = site.call("GET", &format!("{path}&limit=1"), None)?;
            if !page["data"].as_array().context("a list without data")?.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .with_context(|| format!("the server's log ends:\n{}", site.log_end()))
}
