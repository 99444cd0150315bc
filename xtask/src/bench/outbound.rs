//! How fast what was accepted arrives at its destinations, and how fast what has waited goes out.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{
    Bench, CONCURRENCY, CONNECTIONS,
    ceiling::Ceiling,
    load::{self, milliseconds},
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
    let amounts = bench.amounts;
    let receiver = Receiver::start()?;
    let stage = Stage::start(&bench.binary)?;
    let ids = stage.destinations(&receiver, destinations)?;
    // Connections are opened, and a body is there for the ceiling.
    load::closed_loop(&stage.target, "warm", 1, 50, amounts.limit)?;
    receiver.wait_for(50 * destinations, BACKLOG)?;
    stage.enable(&ids, false)?;
    let events = amounts.backlog / destinations;
    let made = load::closed_loop(&stage.target, part, CONNECTIONS, events, BACKLOG)?;
    stage.settle()?;
    receiver.forget();
    let started = Instant::now();
    stage.enable(&ids, true)?;
    let deliveries = made.answers.len() * destinations;
    let took = receiver.wait_for(deliveries, BACKLOG)?.saturating_duration_since(started);
    stage.stop()?;
    let s = sender::per_second(&receiver, destinations, CONCURRENCY, amounts.sent)?;
    let per_second = f64::from(u32::try_from(deliveries)?) / took.as_secs_f64().max(f64::EPSILON);
    let to =
        if destinations == 1 { "1 destination".to_owned() } else { format!("{destinations} destinations") };
    let what = format!("deliveries of a backlog, to {to} for each event");
    Ok(vec![Figure::rate(what, per_second).beside("S", s).goal(Goal::AtLeast(goal))])
}
