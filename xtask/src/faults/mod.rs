//! Breaks what the server stands on, under load, and looks for what is missing.
//!
//! A shim that is preloaded into the release binary makes its system calls fail or take their time, and shifts its
//! clock. Each scenario has a server, senders and receivers of its own; all run beside each other. In the end every call
//! that was answered with 200 must have been delivered, in sequence for each incident; every call that could not be kept
//! must have been answered with a 503 and a time to come again; and the server must have recovered by itself.

mod clock;
mod disk;
mod receivers;
mod senders;
pub(crate) mod shim;
mod stage;

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Result, bail, ensure};

use self::stage::{Disk, Stage};
use crate::stand::random::Random;

/// How to run it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only the scenarios whose name holds one of these words.
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    only: Vec<String>,
    /// How many scenarios run beside each other.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=32))]
    beside: u8,
    /// Leave out the scenarios that take long.
    #[arg(long)]
    brief: bool,
    /// Chooses moments and outcomes; printed by every run, so that one can be made again.
    #[arg(long)]
    seed: Option<u64>,
}

impl Options {
    /// What `check` runs.
    pub(crate) fn for_check() -> Self {
        Self { only: Vec::new(), beside: 8, brief: true, seed: None }
    }
}

/// What is done to a server, and on what disk.
struct Scenario {
    name: &'static str,
    disk: Disk,
    /// Whether `check` leaves it out.
    takes_long: bool,
    act: fn(&mut Stage) -> Result<()>,
}

impl Scenario {
    const fn new(name: &'static str, act: fn(&mut Stage) -> Result<()>) -> Self {
        Self { name, disk: Disk::Any, takes_long: false, act }
    }

    const fn on(self, disk: Disk) -> Self {
        Self { disk, ..self }
    }

    const fn taking_long(self) -> Self {
        Self { takes_long: true, ..self }
    }
}

/// The longest first, so that the others run beside them.
const SCENARIOS: &[Scenario] = &[
    Scenario::new("an fsync hangs, and a crowd sends", disk::hangs),
    Scenario::new("each fsync takes 5 s", disk::very_slow).taking_long(),
    Scenario::new("each fsync takes 200 ms", disk::slow),
    Scenario::new("killed while each fsync takes 200 ms", disk::killed_while_slow),
    Scenario::new("killed while the disk is full", disk::killed_while_full),
    Scenario::new("killed while fsync fails", disk::killed_while_sync_fails),
    Scenario::new("a small disk is full", disk::really_full).on(Disk::Small),
    Scenario::new("the disk is full", disk::full),
    Scenario::new("fsync fails", disk::sync_fails),
    Scenario::new("the data folder is read-only", disk::read_only),
    Scenario::new("the clock is turned back", clock::is_turned_back),
    Scenario::new("the clock jumps ahead", clock::jumps_ahead),
    Scenario::new("receivers misbehave", receivers::misbehave),
    Scenario::new("bodies come a byte a second", senders::drip),
    Scenario::new("thousands of silent connections", senders::crowd_in),
    Scenario::new("heads without an end", senders::bomb),
];

/// Runs the scenarios against `binary`; whatever is missing or wrong is the error.
pub(crate) fn run(binary: &Path, options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(Random::fresh_seed);
    let folder = tempfile::Builder::new().prefix("bugle-shim-").tempdir()?;
    let library = shim::compile(folder.path())?;
    let chosen = chosen(options)?;
    println!("faults: {} scenarios, seed {seed}", chosen.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failures = Vec::new();
        while let Some(scenario) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            let result = play(scenario, binary, &library, seed);
            let seconds = began.elapsed().as_secs_f64();
            match result {
                Ok(summary) => println!("faults: {} ({seconds:.1} s): {summary}", scenario.name),
                Err(problem) => {
                    println!("faults: {} ({seconds:.1} s): FAILED: {problem:#}", scenario.name);
                    failures.push(scenario.name);
                }
            }
        }
        failures
    };
    let failures: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..options.beside).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|_| vec!["a scenario panicked"]))
            .collect()
    });
    ensure!(failures.is_empty(), "seed {seed}: {}", failures.join(", "));
    Ok(())
}

fn play(scenario: &Scenario, binary: &Path, library: &Path, seed: u64) -> Result<String> {
    let mut stage = Stage::set(binary, library, seed, scenario.disk)?;
    (scenario.act)(&mut stage)?;
    stage.close()
}

/// The scenarios that were asked for and that are possible here.
fn chosen(options: &Options) -> Result<Vec<&'static Scenario>> {
    let only = &options.only;
    let named = |scenario: &Scenario| {
        only.is_empty() || only.iter().any(|word| scenario.name.contains(word.as_str()))
    };
    let wanted = |scenario: &&Scenario| named(scenario) && !(options.brief && scenario.takes_long);
    let mut chosen: Vec<_> = SCENARIOS.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let known: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        bail!("no scenario is called that; there are: {}", known.join(", "));
    }
    if chosen.iter().any(|scenario| scenario.disk == Disk::Small) && !disk::SmallDisk::is_possible() {
        println!("faults: no file system can be mounted without root, so only the shim makes the disk full");
        chosen.retain(|scenario| scenario.disk != Disk::Small);
    }
    Ok(chosen)
}
