//! How much memory the server holds.

use std::{thread, time::Duration};

use anyhow::Result;

use super::{
    Bench, CONNECTIONS, load,
    receiver::Receiver,
    report::{Figure, Goal},
    stage::Stage,
};

/// Twice as long as the server's threads take to rest when nothing comes.
const IDLE: Duration = Duration::from_secs(10);

/// Before, under and after the heaviest load, deliveries included.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let amounts = bench.amounts;
    let receiver = Receiver::start()?;
    let stage = Stage::start(&bench.binary)?;
    let started_kib = stage.process().resident_kib()?;
    stage.destinations(&receiver, 1)?;
    load::closed_loop(&stage.target, "warm", 1, amounts.one / 10, amounts.limit)?;
    stage.settle()?;
    let after_kib = stage.process().resident_kib()?;
    thread::sleep(IDLE);
    let idle_kib = stage.process().resident_kib()?;
    let made = load::closed_loop(&stage.target, "many", CONNECTIONS, amounts.many, amounts.limit)?;
    receiver.wait_for(made.answers.len(), Duration::from_mins(3))?;
    let peak_kib = stage.process().peak_kib()?;
    stage.settle()?;
    thread::sleep(IDLE);
    let again_kib = stage.process().resident_kib()?;
    stage.stop()?;
    Ok(vec![
        Figure::memory("started", started_kib),
        Figure::memory("at once after some calls", after_kib),
        Figure::memory("idle for ten seconds", idle_kib).goal(Goal::Below(25.0)),
        Figure::memory("most under full load", peak_kib).goal(Goal::Below(100.0)),
        Figure::memory("idle for ten seconds after that", again_kib).goal(Goal::Below(25.0)),
    ])
}
