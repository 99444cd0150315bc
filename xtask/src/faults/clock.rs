//! A clock that jumps while everything else goes on.

use anyhow::Result;

use super::{shim::Knob, stage::Stage};

const HOUR_MS: i64 = 3_600_000;

/// The time of day jumps ahead and back by hours: calls are taken and delivered all the while, those that wait for
/// another try too.
pub(super) fn jumps(stage: &mut Stage) -> Result<()> {
    for hours in [3, -3, 12, 0] {
        stage.knobs.turn(Knob::ClockShiftMs, hours * HOUR_MS)?;
        stage.answers(50)?;
        let taken: Vec<_> = stage.receivers.iter().map(|receiver| receiver.taken() + 50).collect();
        stage.until("deliveries to go on", |stage| {
            Ok(stage.receivers.iter().zip(&taken).all(|(receiver, wanted)| receiver.taken() >= *wanted))
        })?;
    }
    Ok(())
}
