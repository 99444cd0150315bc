//! Both sides at once: calls come in over many connections while what came of them goes out.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{
    Amounts, Bench, CONCURRENCY, CONNECTIONS, ROUNDS,
    ceiling::Ceiling,
    load::{self, Tally, Target},
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

/// What was measured of the storms on Bugle.
#[derive(Default)]
struct Stormed {
    accepted: Tally,
    /// While calls came in.
    processed: f64,
    delivered: usize,
    /// From the last answers until all was delivered, all rounds together.
    caught_up: Duration,
}

/// The rates while calls come in, and the time that the rest takes.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let ceiling = Ceiling::start(folder.path(), true)?;
    let b = ceiling.target();
    let receiver = Receiver::start()?;
    let stage = Stage::start(&bench.binary)?;
    let destinations = stage.destinations(&receiver, 1)?;
    let recording = bench.record("storm", stage.process())?;
    let (mut accepted_by_b, mut bugle) = (Tally::default(), Stormed::default());
    for round in 0..ROUNDS {
        accepted_by_b += calls(bench, &b, round)?;
        storm(bench, &stage, &receiver, round, &mut bugle)?;
    }
    recording.map(Recording::stop).transpose()?;
    stage.stop()?;
    let s = sender::per_second(&receiver, destinations.len(), CONCURRENCY, bench.amounts.sent)?;
    let seconds = bugle.accepted.elapsed().as_secs_f64().max(f64::EPSILON);
    let delivered = f64::from(u32::try_from(bugle.delivered)?);
    Ok(vec![
        Figure::rate("accepted", bugle.accepted.per_second())
            .beside("B", accepted_by_b.per_second())
            .goal(Goal::RatioAtLeast(0.8)),
        Figure::time("its p99", bugle.accepted.percentile(99)).goal(Goal::Below(10.0)),
        Figure::rate("made into incidents meanwhile", bugle.processed / seconds),
        Figure::rate("delivered meanwhile", delivered / seconds).beside("S", s),
        Figure::seconds("until all was delivered afterwards", bugle.caught_up / ROUNDS),
    ])
}

fn calls(bench: &Bench, target: &Target, round: u32) -> Result<Tally> {
    let Amounts { storm, storm_limit, .. } = bench.amounts;
    load::closed_loop(target, &format!("storm-{round}"), CONNECTIONS, storm, storm_limit)
}

fn storm(bench: &Bench, stage: &Stage, receiver: &Receiver, round: u32, found: &mut Stormed) -> Result<()> {
    receiver.forget();
    let processed_before = stage.metric(PROCESSED)?;
    let accepted = calls(bench, &stage.target, round)?;
    let ended = Instant::now();
    found.delivered += receiver.count();
    found.processed += stage.metric(PROCESSED)? - processed_before;
    found.caught_up += receiver.wait_for(accepted.answers.len(), CATCH_UP)?.saturating_duration_since(ended);
    found.accepted += accepted;
    Ok(())
}
