//! Kills the server under load, again and again, and then looks for what is missing.
//!
//! Every call that was answered with 200 must have become an incident, exactly one for each alert; every event of it must
//! have reached each of several receivers, one of which fails a third of its answers, with a valid signature and in
//! sequence. All of it is judged from outside: by what was answered, what the API lists, and what the receivers got.
//!
//! The kills come in the midst of what the server does: a steady load, a storm, the start and its recovery, and, once its
//! clock was put ahead by weeks and then by more than a year, the deletion of what is old.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    faults::shim::{self, Knob, Knobs},
    stand::{
        bugle::{Bugle, Site},
        random::Random,
    },
    witness::{
        Receiver, Temper, drain,
        judge::Retention,
        judge_all,
        load::{self, Load, Pace, Target},
    },
};

/// Longest wait, after the last kill, for everything to be delivered.
const DRAIN_WITHIN: Duration = Duration::from_mins(10);
const SOURCE_SECRET: &str = "crash-test-source-secret";
/// What is sent all the time.
const STEADY: Pace = Pace { senders: 6, pause_ms: (5, 40), padding_bytes: 0 };
/// What is sent beside it now and then, for as long as one server lives.
const STORM: Pace = Pace { senders: 16, pause_ms: (0, 1), padding_bytes: 512 };
/// One kill in so many comes in a storm.
const STORM_EVERY: u64 = 5;
/// Kills between two jumps of the clock.
const JUMP_EVERY: u32 = 5;
const DAY_MS: i64 = 24 * 3_600_000;

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

/// Where the kills came.
#[derive(Debug, Default)]
struct Tally {
    in_storm: u32,
    in_start: u32,
    while_old_goes: u32,
}

/// Runs it against `binary`; anything that is missing is the error.
pub(crate) fn run(binary: &Path, options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(Random::fresh_seed);
    println!("crash: {} kills, seed {seed}", options.kills);
    let folder = tempfile::Builder::new().prefix("bugle-crash-").tempdir()?;
    let library = shim::compile(folder.path())?;
    let (site, knobs) = shim::preload(Site::new(binary, folder.path())?, &library, folder.path())?;
    let bugle = site.start()?;
    let receivers: Vec<_> = [Temper::Moody, Temper::Kind, Temper::Slow]
        .into_iter()
        .zip(1..)
        .map(|(temper, number)| Receiver::start(temper, Random::new(seed ^ number)))
        .collect::<Result<_>>()?;
    let destinations: Vec<_> =
        receivers.iter().map(|receiver| receiver.join(&site)).collect::<Result<_>>()?;
    let integration = site.integration("datadog", SOURCE_SECRET)?;
    let target = Target { address: site.address(), integration, secret: SOURCE_SECRET };

    let load = load::start(&target, STEADY, "node", seed ^ 8);
    let started = Instant::now();
    let mut killer = Killer {
        site: &site,
        knobs: &knobs,
        receivers: &receivers,
        target: &target,
        seed,
        tally: Tally::default(),
    };
    let (bugle, storms) = killer.work(bugle, options.kills)?;
    let mut sent = load.finish()?;
    for storm in storms {
        sent = sent.and(storm.finish()?);
    }
    let Tally { in_storm, in_start, while_old_goes } = killer.tally;
    println!(
        "crash: {} kills in {:.0} s, {in_storm} in a storm, {in_start} in a start, {while_old_goes} while what is old went; \
         {} calls answered 200 for {} alerts, {} calls broken off, {} refused for a while",
        options.kills,
        started.elapsed().as_secs_f64(),
        sent.answered,
        sent.alerts.len(),
        sent.broken,
        sent.refused
    );
    ensure!(sent.alerts.len() >= options.kills as usize, "too little load to prove anything");
    drain(&site, DRAIN_WITHIN, &destinations)?;
    let summary = judge_all(&site, &sent, &receivers, Retention::LetsGo);
    bugle.stop()?;
    println!("crash: {}", summary.map_err(|problem| problem.context(format!("seed {seed}")))?);
    Ok(())
}

struct Killer<'a> {
    site: &'a Site,
    knobs: &'a Knobs,
    receivers: &'a [Receiver],
    target: &'a Target,
    seed: u64,
    tally: Tally,
}

impl Killer<'_> {
    /// Kills and starts again; gives the last server, which is ready, and the storms, which are over.
    fn work(&mut self, mut bugle: Bugle, kills: u32) -> Result<(Bugle, Vec<Load>)> {
        let mut random = Random::new(self.seed);
        let mut storms = Vec::new();
        for kill in 0..kills {
            self.age(kill, kills)?;
            let storm = (random.below(STORM_EVERY) == 0).then(|| {
                load::start(self.target, STORM, &format!("storm-{kill}"), self.seed ^ u64::from(kill))
            });
            thread::sleep(random.millis(20, 900));
            bugle = self.replace(bugle)?;
            self.tally.in_storm += u32::from(storm.is_some());
            if let Some(storm) = storm {
                storm.stop();
                storms.push(storm);
            }
            // Now and then the next kill may come before it is ready, in the midst of its recovery.
            if random.below(4) == 0 {
                thread::sleep(random.millis(1, 60));
                bugle = self.replace(bugle)?;
                self.tally.in_start += 1;
            }
            bugle.wait_ready()?;
        }
        Ok((bugle, storms))
    }

    /// Kills a server and starts the next.
    fn replace(&self, bugle: Bugle) -> Result<Bugle> {
        bugle.kill()?;
        self.receivers.iter().try_for_each(Receiver::settle)?;
        self.site.launch()
    }

    /// From half of the kills on the clock is put ahead by a month every now and then, from four fifths on by a year: so
    /// what the kills before left behind is old enough to go, first receipts and then resolved incidents too.
    fn age(&mut self, kill: u32, kills: u32) -> Result<()> {
        let since = |first: u32| i64::from(kill.checked_sub(first).map_or(0, |later| 1 + later / JUMP_EVERY));
        let days = 31 * since(kills / 2) + 366 * since(kills * 4 / 5);
        self.tally.while_old_goes += u32::from(days > 0);
        self.knobs.turn(Knob::ClockShiftMs, days * DAY_MS)
    }
}
