//! A clock that jumps while everything else goes on.

use anyhow::Result;

use super::{shim::Knob, stage::Stage};

const HOUR_MS: i64 = 3_600_000;

/// The time of day jumps ahead by hours: calls are taken and delivered all the while.
pub(super) fn jumps_ahead(stage: &mut Stage) -> Result<()> {
    jumps(stage, &[3, 12, 15])
}

/// It jumps back by hours too: what waits for another try does not wait for hours.
pub(super) fn is_turned_back(stage: &mut Stage) -> Result<()> {
    jumps(stage, &[3, -3, 12, 0])
}

fn jumps(stage: &mut Stage, hours: &[i64]) -> Result<()> {
    for hours in hours {
        stage.knobs.turn(Knob::ClockShiftMs, hours * HOUR_MS)?;
        stage.answers(50)?;
        let taken: Vec<_> = stage.receivers.iter().map(|receiver| receiver.taken() + 50).collect();
        stage.until("deliveries to go on", |stage| {
            Ok(stage.receivers.iter().zip(&taken).all(|(receiver, wanted)| receiver.taken() >= *wanted))
        })?;
    }
    Ok(())
}
