//! How fast calls are accepted: durable before the answer, while incidents are made of them.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{
    Bench, CONNECTIONS,
    ceiling::Ceiling,
    load::{self, Tally, Target, milliseconds},
    report::{Figure, Goal},
    stage::Stage,
};

/// Calls each second of the calm open loop.
const CALM: u32 = 200;
/// Calls each second of the brisk open loop.
const BRISK: u32 = 1_000;

/// What was measured of one server.
struct Accepted {
    one: Tally,
    many: Tally,
    calm: Tally,
    brisk: Tally,
    /// From the first call of many connections until nothing waited any more.
    caught_up: Duration,
}

impl Accepted {
    fn processed_per_second(&self) -> f64 {
        self.many.count() / self.caught_up.as_secs_f64().max(f64::EPSILON)
    }
}

/// Bugle beside both ceilings.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let a = ceiling(bench, false)?;
    let b = ceiling(bench, true)?;
    let stage = Stage::start(&bench.binary)?;
    let bugle = load(bench, &stage.target, || stage.settle())?;
    stage.stop()?;
    let rate =
        |what: &str, read: &dyn Fn(&Accepted) -> f64| Figure::rate(what, read(&bugle)).beside("B", read(&b));
    let time = |what: String, read: &dyn Fn(&Accepted) -> &Tally, percent| {
        let ceiling = milliseconds(read(&b).percentile(percent));
        Figure::time(what, read(&bugle).percentile(percent)).beside("B", ceiling)
    };
    let mut figures = vec![
        rate("1 connection", &|of| of.one.per_second()).goal(Goal::RatioAtLeast(0.8)),
        time("its p50".into(), &|of| &of.one, 50),
        time("its p99".into(), &|of| &of.one, 99),
        rate("64 connections", &|of| of.many.per_second()).goal(Goal::RatioAtLeast(0.8)),
        time("its p50".into(), &|of| &of.many, 50),
        time("its p99".into(), &|of| &of.many, 99).goal(Goal::Below(10.0)),
        rate("64 connections, incidents made too", &Accepted::processed_per_second),
        Figure::rate("ceiling B itself, 64 connections", b.many.per_second())
            .beside("A", a.many.per_second()),
    ];
    for (rate, read) in
        [(CALM, (|of| &of.calm) as fn(&Accepted) -> &Tally), (BRISK, |of: &Accepted| &of.brisk)]
    {
        for percent in [50, 99] {
            figures.push(time(format!("answered at {rate}/s, p{percent}"), &read, percent));
        }
    }
    Ok(figures)
}

fn ceiling(bench: &Bench, durable: bool) -> Result<Accepted> {
    let folder = tempfile::tempdir()?;
    let ceiling = Ceiling::start(folder.path(), durable)?;
    load(bench, &ceiling.target(), || Ok(()))
}

fn load(bench: &Bench, target: &Target, settle: impl Fn() -> Result<()>) -> Result<Accepted> {
    let amounts = bench.amounts;
    load::closed_loop(target, "warm", 1, amounts.one / 10, amounts.limit)?;
    settle()?;
    let one = load::closed_loop(target, "one", 1, amounts.one, amounts.limit)?;
    settle()?;
    let started = Instant::now();
    let many = load::closed_loop(target, "many", CONNECTIONS, amounts.many, amounts.limit)?;
    settle()?;
    let caught_up = started.elapsed();
    let calm = load::open_loop(target, "calm", CALM, amounts.calm)?;
    settle()?;
    let brisk = load::open_loop(target, "brisk", BRISK, amounts.brisk)?;
    settle()?;
    Ok(Accepted { one, many, calm, brisk, caught_up })
}
