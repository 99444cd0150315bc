//! Whether what is stored costs what comes next anything: rates, lists, start and memory with a million incidents.
//!
//! `fill` makes the store, `lists` calls the API's lists, `pages` looks at the pages.

mod fill;
mod lists;
mod pages;

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

use self::fill::Filled;
use super::{
    Bench,
    outbound::{Drained, drain, warm_up},
    receiver::Receiver,
    report::{Figure, Goal, thousands},
    stage::{Stage, destination},
};
use crate::stand::{bugle::Site, random::Random};

/// How often both stores are measured, in turn; the best counts, as everything else on the machine only ever costs.
const ROUNDS: usize = 4;

/// What is stored.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Options {
    /// The part `scale` too, which takes minutes.
    #[arg(long)]
    pub(super) scale: bool,
    /// Keeps the store of the part `scale` in this folder, and takes what is there.
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// How many incidents the part `scale` stores, each with an open alert and five deliveries: a million by default.
    #[arg(long, value_name = "COUNT")]
    pub(super) incidents: Option<u32>,
}

/// With how much.
pub(super) fn title(bench: &Bench) -> String {
    let incidents = f64::from(incidents(bench));
    let deliveries = incidents * f64::from(fill::DESTINATIONS);
    format!("Scale: {} open incidents, {} deliveries", thousands(incidents), thousands(deliveries))
}

fn incidents(bench: &Bench) -> u32 {
    bench.scale.incidents.unwrap_or(bench.amounts.incidents)
}

/// Everything, beside an empty store.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let temporary = if bench.scale.store.is_none() { Some(tempfile::tempdir()?) } else { None };
    let kept = bench.scale.store.as_deref().or(temporary.as_ref().map(TempDir::path));
    let folder = kept.context("no folder to fill")?;
    std::fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let site = Site::new(&bench.binary, &folder)?;
    let filled = fill::provide(&site, &folder, incidents(bench))?;
    let mut figures = vec![start_to_ready(&site)?];
    figures.extend(beside_an_empty_store(bench, site, temporary, &filled)?);
    Ok(figures)
}

fn start_to_ready(site: &Site) -> Result<Figure> {
    let started = Instant::now();
    let bugle = site.start()?;
    let took = started.elapsed();
    bugle.stop()?;
    Ok(Figure::seconds("from start to ready", took).goal(Goal::Below(1.0)))
}

fn beside_an_empty_store(
    bench: &Bench,
    site: Site,
    temporary: Option<TempDir>,
    filled: &Filled,
) -> Result<Vec<Figure>> {
    let mut full = Side::new(bench, Stage::on(site, temporary)?)?;
    let mut empty = Side::new(bench, Stage::start(&bench.binary)?)?;
    for _ in 0..ROUNDS {
        empty.round(bench)?;
        full.round(bench)?;
    }
    empty.stage.stop()?;
    let rate = |what, read: fn(&Drained) -> f64| {
        Figure::rate(what, read(&full.best)).beside("empty", read(&empty.best)).goal(Goal::RatioAtLeast(0.9))
    };
    let mut figures = vec![
        rate("accepted", |best| best.accepted_per_second),
        rate("delivered", |best| best.delivered_per_second),
    ];
    figures.extend(lists::measure(&full.stage.site, filled, bench.amounts.list_calls)?);
    figures.extend(pages::measure(&full.stage.site, filled, bench.amounts.list_calls)?);
    let peak_kib = full.stage.process().peak_kib()?;
    figures.push(Figure::memory("most memory", peak_kib).goal(Goal::Below(150.0)));
    full.stage.stop()?;
    Ok(figures)
}

/// One of the two stores.
struct Side {
    stage: Stage,
    receiver: Receiver,
    destinations: Vec<String>,
    best: Drained,
}

impl Side {
    /// With a destination for what is measured, and for nothing that is stored.
    fn new(bench: &Bench, stage: Stage) -> Result<Self> {
        let receiver = Receiver::start()?;
        let mut wanted = destination(&receiver, 0);
        wanted["filter"] = json!({ "integrations": [stage.integration] });
        let destinations = vec![stage.site.destination(&wanted)?];
        warm_up(bench, &stage, &receiver, destinations.len())?;
        let best = Drained { accepted_per_second: 0.0, delivered_per_second: 0.0 };
        Ok(Self { stage, receiver, destinations, best })
    }

    fn round(&mut self, bench: &Bench) -> Result<()> {
        // A store that is kept knows the alerts of earlier rounds.
        let run = format!("{:016x}", Random::fresh_seed());
        let found = drain(bench, &self.stage, &self.receiver, &self.destinations, &run)?;
        let best = &mut self.best;
        best.accepted_per_second = best.accepted_per_second.max(found.accepted_per_second);
        best.delivered_per_second = best.delivered_per_second.max(found.delivered_per_second);
        Ok(())
    }
}
