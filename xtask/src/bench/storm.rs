//! Both sides at once: calls come in over many connections while what came of them goes out.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{
    Bench, CONCURRENCY, CONNECTIONS,
    ceiling::Ceiling,
    load::{self, Target},
    profile::Recording,
    receiver::Receiver,
    report::{Figure, Goal},
    sender,
    stage::Stage,
};

/// Longest time to catch up.
const CATCH_UP: Duration = Duration::from_mins(3);
/// What the server counts of its pipeline.
const PROCESSED: &str = "bugle_receipts_processed_total";

/// The rates while calls come in, and the time that the rest takes.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let amounts = bench.amounts;
    let calls =
        |target: &Target| load::closed_loop(target, "storm", CONNECTIONS, amounts.storm, amounts.storm_limit);
    let b = {
        let folder = tempfile::tempdir()?;
        let ceiling = Ceiling::start(folder.path(), true)?;
        calls(&ceiling.target())?.per_second()
    };
    let receiver = Receiver::start()?;
    let stage = Stage::start(&bench.binary)?;
    let destinations = stage.destinations(&receiver, 1)?;
    let recording = bench.record("storm", stage.process())?;
    let storm = calls(&stage.target)?;
    let ended = Instant::now();
    let (delivered, processed) = (receiver.count(), stage.metric(PROCESSED)?);
    let last = receiver.wait_for(storm.answers.len(), CATCH_UP)?;
    recording.map(Recording::stop).transpose()?;
    stage.stop()?;
    let s = sender::per_second(&receiver, destinations.len(), CONCURRENCY, amounts.sent)?;
    let seconds = storm.elapsed().as_secs_f64().max(f64::EPSILON);
    let delivered = f64::from(u32::try_from(delivered)?);
    Ok(vec![
        Figure::rate("accepted", storm.per_second()).beside("B", b).goal(Goal::RatioAtLeast(0.8)),
        Figure::time("its p99", storm.percentile(99)).goal(Goal::Below(10.0)),
        Figure::rate("made into incidents meanwhile", processed / seconds),
        Figure::rate("delivered meanwhile", delivered / seconds).beside("S", s),
        Figure::seconds("until all was delivered afterwards", last.saturating_duration_since(ended)),
    ])
}
