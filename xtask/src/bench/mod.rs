//! Measures the release binary beside ceilings that run in the same minutes on the same machine:
//!
//! - ceiling A: the same HTTP stack, which reads a body, checks its HMAC, and answers;
//! - ceiling B: A, and a commit that is durable before the answer: one row for each call, one commit for all that wait;
//! - ceiling S: a client that signs bodies and posts them to the receiver, and nothing else.
//!
//! The absolute numbers are the machine's; the ratios are ours. Everything is on loopback and bounded in count and time.
//!
//! Layout: a file for each part ([`Part`]), of which each starts what it needs and can run alone; `stage`, `receiver` and
//! `load` are what parts are made of, `ceiling` and `sender` the ceilings, `report` the
//! table, and `profile` shows where the time goes.

mod accept;
pub(crate) mod ceiling;
mod fair;
mod load;
mod memory;
mod outbound;
mod profile;
mod receiver;
mod report;
mod scale;
mod sender;
mod stage;
mod storm;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use clap::ValueEnum;

use self::{
    profile::{Profile, Recording},
    report::Figure,
};
use crate::{shell, stand::process::Process};

/// What senders sign with.
const SECRET: &str = "bench-source-secret";
/// What deliveries are signed with: `a bench key of thirty-two bytes`.
const DESTINATION_SECRET: &str = "whsec_YSBiZW5jaCBrZXkgb2YgdGhpcnR5LXR3byBieXRlcw==";
/// The many connections of the measurements.
const CONNECTIONS: usize = 64;
/// How often Bugle and its ceilings are loaded, turn about, so that a slow moment of the machine comes to each of them.
const ROUNDS: u32 = 4;
/// Attempts under way at once to one destination, as Bugle has it when nobody says.
const CONCURRENCY: usize = 16;

/// How to run it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// A few seconds for each part: shows that it runs, measures nothing worth keeping.
    #[arg(long)]
    short: bool,
    /// Puts the tables into README.md.
    #[arg(long)]
    write: bool,
    /// Measures this binary instead of a fresh release build.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Only these parts, with the ceilings that they need.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    #[command(flatten)]
    scale: scale::Options,
    /// Has `perf` watch the server while `storm`, `deliver` and `fanout` run, and draws a flame graph of it. Without
    /// `--only`, the first two run.
    #[arg(long)]
    profile: bool,
}

/// A measurement that can run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// How fast calls are accepted.
    Accept,
    /// Both sides at once.
    Storm,
    /// From accepted to arrived.
    Arrive,
    /// A backlog, one destination for each event.
    Deliver,
    /// A backlog, five destinations for each event.
    Fanout,
    /// A hundred destinations, one of which fails.
    Fair,
    /// Memory idle and under load.
    Memory,
    /// All of it with a million incidents stored; takes minutes, so only on demand.
    Scale,
}

impl Part {
    fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn title(self, bench: &Bench) -> String {
        let title = match self {
            Self::Accept => "Accept: 1 KB, signed, durable before the answer",
            Self::Storm => "Storm: 64 connections, and a destination that receives",
            Self::Arrive => "Arrive: signed at the receiver",
            Self::Deliver => "Deliver",
            Self::Fanout => "Fan out",
            Self::Fair => "Fair: accepted to arrived at 99 destinations, one more fails",
            Self::Memory => "Memory",
            Self::Scale => return scale::title(bench),
        };
        title.to_owned()
    }

    fn measure(self, bench: &Bench) -> Result<Vec<Figure>> {
        match self {
            Self::Accept => accept::measure(bench),
            Self::Storm => storm::measure(bench),
            Self::Arrive => outbound::arrive(bench),
            Self::Deliver => outbound::deliver(bench),
            Self::Fanout => outbound::fanout(bench),
            Self::Fair => fair::measure(bench),
            Self::Memory => memory::measure(bench),
            Self::Scale => scale::measure(bench),
        }
    }
}

/// What every part is given.
struct Bench {
    binary: PathBuf,
    amounts: Amounts,
    scale: scale::Options,
    profile: Option<Profile>,
}

impl Bench {
    /// Watches `process` from now on, where that is asked for.
    fn record(&self, part: &str, process: &Process) -> Result<Option<Recording>> {
        self.profile.as_ref().map(|profile| profile.record(part, process)).transpose()
    }
}

/// How much each part does.
#[derive(Debug, Clone, Copy)]
struct Amounts {
    /// Calls over one connection.
    one: usize,
    /// Calls over many connections.
    many: usize,
    /// Calls of the calm open loop.
    calm: usize,
    /// Calls of the brisk open loop.
    brisk: usize,
    /// Calls of each of the storms, and how long it lasts at most.
    storm: usize,
    storm_limit: Duration,
    /// Deliveries of a backlog.
    backlog: usize,
    /// Calls of each of the two servers that are compared for fairness.
    fair: usize,
    /// Bodies that the bare client posts.
    sent: usize,
    /// Incidents that are stored, where nobody says, and calls of each list.
    incidents: u32,
    list_calls: u32,
    /// Longest time of any load that has no limit of its own.
    limit: Duration,
}

const FULL: Amounts = Amounts {
    one: 6_000,
    many: 40_000,
    calm: 3_000,
    brisk: 8_000,
    storm: 50_000,
    storm_limit: Duration::from_secs(8),
    backlog: 40_000,
    fair: 2_400,
    sent: 40_000,
    incidents: 1_000_000,
    list_calls: 300,
    limit: Duration::from_secs(12),
};
const SHORT: Amounts = Amounts {
    one: 300,
    many: 2_000,
    calm: 200,
    brisk: 1_000,
    storm: 2_000,
    storm_limit: Duration::from_secs(3),
    backlog: 500,
    fair: 200,
    sent: 500,
    incidents: 2_000,
    list_calls: 20,
    limit: Duration::from_secs(5),
};

impl Options {
    /// What `check` runs.
    pub(crate) fn for_check() -> Self {
        Self {
            short: true,
            write: false,
            binary: None,
            only: Vec::new(),
            scale: scale::Options { scale: true, ..scale::Options::default() },
            profile: false,
        }
    }

    /// As they are written on a command line, without the binary.
    fn words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        words.extend(self.short.then(|| "--short".into()));
        words.extend(self.write.then(|| "--write".into()));
        words.extend(self.profile.then(|| "--profile".into()));
        words.extend(self.scale.scale.then(|| "--scale".into()));
        if let Some(folder) = &self.scale.store {
            words.extend(["--store".into(), folder.into()]);
        }
        if let Some(count) = self.scale.incidents {
            words.push(format!("--incidents={count}").into());
        }
        words.extend(self.only.iter().map(|part| format!("--only={}", part.word()).into()));
        words
    }

    fn parts(&self) -> Vec<Part> {
        let wanted = |part: &Part| match part {
            Part::Scale => self.scale.scale || self.only.contains(part),
            Part::Storm | Part::Deliver if self.only.is_empty() => true,
            _ => self.only.contains(part) || (self.only.is_empty() && !self.profile),
        };
        Part::value_variants().iter().copied().filter(wanted).collect()
    }
}

/// Builds what is measured and what measures, both optimised, and has them do it.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(
        !options.write || (options.only.is_empty() && !options.short && !options.profile),
        "--write keeps a full run: leave out --only, --short and --profile"
    );
    let binary = match &options.binary {
        Some(file) => file.canonicalize()?,
        None => shell::build_release("bugle")?,
    };
    if cfg!(debug_assertions) {
        // The load and the ceilings must be optimised as well: the release build of this program goes on.
        let mut command = shell::command(shell::build_release("xtask")?);
        command.current_dir(std::env::current_dir()?);
        command.arg("bench").args(options.words()).arg("--binary").arg(binary);
        return shell::run(&mut command);
    }
    let amounts = if options.short { SHORT } else { FULL };
    let profile = if options.profile { Some(Profile::new()?) } else { None };
    let bench = Bench { binary, amounts, scale: options.scale.clone(), profile };
    let mut measured = Vec::new();
    for part in options.parts() {
        let title = part.title(&bench);
        println!("\n{title}");
        let figures = part.measure(&bench)?;
        for figure in &figures {
            println!("  {figure}");
        }
        measured.push((title, figures));
    }
    let table = report::table(&measured);
    println!("\n{table}");
    if let Some(profile) = &bench.profile {
        println!("flame graph: {}", profile.draw()?.display());
    }
    if options.write {
        crate::docs::write_measurements(&table)?;
    }
    Ok(())
}
