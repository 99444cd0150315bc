//! How fast calls are accepted: durable before the answer, while incidents are made of them.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{
    Amounts, Bench, CONNECTIONS, ROUNDS,
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
#[derive(Default)]
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

/// A server that takes its turns.
struct Server<'s> {
    target: &'s Target,
    /// Waits until it has nothing to do.
    settle: &'s dyn Fn() -> Result<()>,
    found: Accepted,
}

/// Bugle beside both ceilings.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (folder_a, folder_b) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (ceiling_a, ceiling_b) =
        (Ceiling::start(folder_a.path(), false)?, Ceiling::start(folder_b.path(), true)?);
    let (a, b) = (ceiling_a.target(), ceiling_b.target());
    let stage = Stage::start(&bench.binary)?;
    let (settled, settle) = (|| Ok(()), || stage.settle());
    let server = |target, settle| Server { target, settle, found: Accepted::default() };
    let mut servers = [server(&a, &settled), server(&b, &settled), server(&stage.target, &settle)];
    for server in &mut servers {
        load::closed_loop(server.target, "warm", 1, bench.amounts.one / 10, bench.amounts.limit)?;
        (server.settle)()?;
    }
    for round in 0..ROUNDS {
        for step in [one, many, calm, brisk] {
            for server in &mut servers {
                step(&bench.amounts, server, round)?;
                (server.settle)()?;
            }
        }
    }
    let [a, b, bugle] = servers.map(|server| server.found);
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

fn one(amounts: &Amounts, server: &mut Server<'_>, round: u32) -> Result<()> {
    let count = amounts.one / ROUNDS as usize;
    server.found.one += load::closed_loop(server.target, &format!("one-{round}"), 1, count, amounts.limit)?;
    Ok(())
}

fn many(amounts: &Amounts, server: &mut Server<'_>, round: u32) -> Result<()> {
    let started = Instant::now();
    let run = format!("many-{round}");
    server.found.many += load::closed_loop(server.target, &run, CONNECTIONS, amounts.many, amounts.limit)?;
    (server.settle)()?;
    server.found.caught_up += started.elapsed();
    Ok(())
}

fn calm(amounts: &Amounts, server: &mut Server<'_>, round: u32) -> Result<()> {
    let count = amounts.calm / ROUNDS as usize;
    server.found.calm += load::open_loop(server.target, &format!("calm-{round}"), CALM, count)?;
    Ok(())
}

fn brisk(amounts: &Amounts, server: &mut Server<'_>, round: u32) -> Result<()> {
    let count = amounts.brisk / ROUNDS as usize;
    server.found.brisk += load::open_loop(server.target, &format!("brisk-{round}"), BRISK, count)?;
    Ok(())
}
