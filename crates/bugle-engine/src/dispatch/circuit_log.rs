//! How circuits changed since this process started: for people, who want to know since when a receiver is down and whether
//! that happened before. In memory and bounded; what a circuit is now is in the store.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bugle_model::{DestinationId, Timestamp, destination::CircuitPhase};
use serde::Serialize;

/// Changes kept for a destination.
const KEPT_MAX: usize = 50;

/// A time during which a circuit was open, or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CircuitChange {
    /// `open` or `closed`.
    pub phase: CircuitPhase,
    /// Since when.
    pub at: Timestamp,
    /// While it was open: attempts that were let through to see whether the receiver is back.
    pub probes: u32,
}

/// How circuits changed, for each destination.
#[derive(Debug, Default)]
pub(crate) struct CircuitLog(Mutex<HashMap<DestinationId, VecDeque<CircuitChange>>>);

impl CircuitLog {
    /// A circuit is in this phase now. A probe is counted, and is no change of its own: else an outage of an hour would
    /// push out everything before it.
    pub(crate) fn note(&self, id: DestinationId, phase: CircuitPhase, at: Timestamp) {
        let mut logs = self.logs();
        let log = logs.entry(id).or_default();
        match (log.back_mut(), phase) {
            (Some(last), CircuitPhase::HalfOpen) => last.probes = last.probes.saturating_add(1),
            (Some(last), phase) if last.phase == phase => {}
            // It never was anything else: a beginning, and no change.
            (None, CircuitPhase::Closed) => {}
            (_, phase) => {
                let is_probe = phase == CircuitPhase::HalfOpen;
                let phase = if is_probe { CircuitPhase::Open } else { phase };
                log.push_back(CircuitChange { phase, at, probes: u32::from(is_probe) });
            }
        }
        if log.len() > KEPT_MAX {
            log.pop_front();
        }
    }

    /// The changes of one, newest first.
    pub(crate) fn of(&self, id: DestinationId) -> Vec<CircuitChange> {
        self.logs().get(&id).map(|log| log.iter().rev().copied().collect()).unwrap_or_default()
    }

    /// Lets go of one that was deleted.
    pub(crate) fn forget(&self, id: DestinationId) {
        self.logs().remove(&id);
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<DestinationId, VecDeque<CircuitChange>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_counted_and_changes_are_kept() {
        use CircuitPhase::{Closed, HalfOpen, Open};
        let (log, id) = (CircuitLog::default(), DestinationId::from_i64(7));
        let at = |second: i64| Timestamp::from_seconds(1_795_000_000 + second);
        log.note(id, Closed, at(-60));
        for (second, phase) in
            [(0, Open), (30, HalfOpen), (31, Open), (61, HalfOpen), (62, Closed), (90, Open)]
        {
            log.note(id, phase, at(second));
        }
        let shown: Vec<_> =
            log.of(id).iter().map(|change| (change.phase, change.at, change.probes)).collect();
        assert_eq!(shown, [(Open, at(90), 0), (Closed, at(62), 0), (Open, at(0), 2)]);
        for second in 100..400 {
            log.note(id, if second % 2 == 0 { Closed } else { Open }, at(second));
        }
        assert_eq!((log.of(id).len(), log.of(DestinationId::from_i64(8)).len()), (KEPT_MAX, 0));
        log.forget(id);
        assert!(log.of(id).is_empty());
    }

    #[test]
    fn a_probe_after_a_restart_means_that_it_was_open() {
        let (log, id) = (CircuitLog::default(), DestinationId::from_i64(7));
        log.note(id, CircuitPhase::HalfOpen, Timestamp::from_seconds(1));
        assert_eq!(
            log.of(id).first().map(|change| (change.phase, change.probes)),
            Some((CircuitPhase::Open, 1))
        );
    }
}
