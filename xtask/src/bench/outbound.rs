//! How fast what was accepted arrives at its destinations, and how fast what has waited goes out.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{
    Bench, CONCURRENCY, CONNECTIONS,
    ceiling::Ceiling,
    load::{self, milliseconds},
    profile::Recording,
    receiver::Receiver,
    report::{Figure, Goal},
    sender,
    stage::Stage,
};

/// Calls each second of the open loop.
const CALM: u32 = 200;
/// Longest time for a backlog to be made, and to be delivered.
const BACKLOG: Duration = Duration::from_mins(3);

/// From the answer to the arrival of the signed delivery, beside the time that ceiling B takes to answer alone: one signed
/// call and one commit, which a delivery needs at least.
pub(super) fn arrive(bench: &Bench) -> Result<Vec<Figure>> {
    let count = bench.amounts.calm;
    let b = {
        let folder = tempfile::tempdir()?;
        let ceiling = Ceiling::start(folder.path(), true)?;
        load::open_loop(&ceiling.target(), "arrive", CALM, count)?
    };
    let receiver = Receiver::start()?;
    let stage = Stage::start(&bench.binary)?;
    stage.destinations(&receiver, 1)?;
    let sent = load::open_loop(&stage.target, "arrive", CALM, count)?;
    let lags = receiver.lags(&sent, "arrive", |_| Some("/0".to_owned()))?;
    stage.stop()?;
    let figure = |percent, goal| {
        Figure::time(format!("accepted to arrived at {CALM}/s, p{percent}"), lags.percentile(percent))
            .beside("B", milliseconds(b.percentile(percent)))
            .goal(Goal::Below(goal))
    };
    Ok(vec![figure(50, 3.0), figure(99, 10.0)])
}

/// One destination for each event.
pub(super) fn deliver(bench: &Bench) -> Result<Vec<Figure>> {
    backlog(bench, "deliver", 1, 10_000.0)
}

/// Several destinations for each event.
pub(super) fn fanout(bench: &Bench) -> Result<Vec<Figure>> {
    backlog(bench, "fanout", 5, 15_000.0)
}

/// What has waited for destinations that took no part goes out at once.
fn backlog(bench: &Bench, part: &str, destinations: usize, goal: f64) -> Result<Vec<Figure>> {
    let receiver = Receiver::start()?;
    let stage = Stage::start(&bench.binary)?;
    let ids = stage.destinations(&receiver, destinations)?;
    warm_up(bench, &stage, &receiver, destinations)?;
    let Drained { delivered_per_second, .. } = drain(bench, &stage, &receiver, &ids, part)?;
    stage.stop()?;
    let s = sender::per_second(&receiver, destinations, CONCURRENCY, bench.amounts.sent)?;
    let to =
        if destinations == 1 { "1 destination".to_owned() } else { format!("{destinations} destinations") };
    let what = format!("deliveries of a backlog, to {to} for each event");
    Ok(vec![Figure::rate(what, delivered_per_second).beside("S", s).goal(Goal::AtLeast(goal))])
}

/// Opens the connections, and leaves a body for the bare client to send.
pub(super) fn warm_up(bench: &Bench, stage: &Stage, receiver: &Receiver, destinations: usize) -> Result<()> {
    let made = load::closed_loop(&stage.target, "warm", 1, 50, bench.amounts.limit)?;
    receiver.wait_for(made.answers.len() * destinations, BACKLOG).map(drop)
}

/// What a backlog was made and delivered with.
pub(super) struct Drained {
    pub(super) accepted_per_second: f64,
    pub(super) delivered_per_second: f64,
}

/// Makes a backlog for destinations that take no part meanwhile, then has them take part until it is delivered.
pub(super) fn drain(
    bench: &Bench,
    stage: &Stage,
    receiver: &Receiver,
    destinations: &[String],
    run: &str,
) -> Result<Drained> {
    stage.enable(destinations, false)?;
    let events = bench.amounts.backlog / destinations.len().max(1);
    let made = load::closed_loop(&stage.target, run, CONNECTIONS, events, BACKLOG)?;
    stage.settle()?;
    receiver.forget();
    let recording = bench.record(run, stage.process())?;
    let started = Instant::now();
    stage.enable(destinations, true)?;
    let deliveries = made.answers.len() * destinations.len();
    let took = receiver.wait_for(deliveries, BACKLOG)?.saturating_duration_since(started);
    recording.map(Recording::stop).transpose()?;
    Ok(Drained {
        accepted_per_second: made.per_second(),
        delivered_per_second: f64::from(u32::try_from(deliveries)?) / took.as_secs_f64().max(f64::EPSILON),
    })
}
