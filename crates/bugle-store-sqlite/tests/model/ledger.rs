//! What the store should do, in the simplest way that can be written down: no index, no time, no transaction.

use std::collections::{BTreeMap, BTreeSet};

use bugle_model::DeliveryState;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Blocked,
    Delivered,
    Dead,
    Skipped,
}

impl From<DeliveryState> for State {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Pending => Self::Pending,
            DeliveryState::Blocked => Self::Blocked,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::Dead => Self::Dead,
            DeliveryState::Skipped => Self::Skipped,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Known {
    destination: i64,
    incident: i64,
    sequence: u32,
    pub(crate) state: State,
    pub(crate) attempts: u32,
}

impl Known {
    fn is_unsettled(&self) -> bool {
        matches!(self.state, State::Pending | State::Blocked)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Receipts, and whether they are pending.
    pub(crate) receipts: BTreeMap<i64, bool>,
    /// The first receipt of each name that a sender gave.
    pub(crate) names: BTreeMap<u8, i64>,
    /// The latest event of each incident.
    pub(crate) sequences: BTreeMap<i64, u32>,
    pub(crate) deliveries: BTreeMap<i64, Known>,
    pub(crate) claimed: BTreeSet<i64>,
}

fn nth(ids: impl Iterator<Item = i64>, pick: usize) -> Option<i64> {
    let ids: Vec<i64> = ids.collect();
    (!ids.is_empty()).then(|| ids[pick % ids.len()])
}

impl Ledger {
    /// The oldest first.
    pub(crate) fn pending(&self) -> Vec<i64> {
        self.receipts.iter().filter(|(_, pending)| **pending).map(|(id, _)| *id).collect()
    }

    /// The oldest with 0.
    pub(crate) fn any_pending(&self, pick: usize) -> Option<i64> {
        nth(self.pending().into_iter(), pick)
    }

    pub(crate) fn any_receipt(&self, pick: usize) -> Option<i64> {
        nth(self.receipts.keys().copied(), pick)
    }

    pub(crate) fn claimed_one(&self, pick: usize) -> Option<i64> {
        nth(self.claimed.iter().copied(), pick)
    }

    pub(crate) fn any_one(&self, pick: usize) -> Option<i64> {
        nth(self.deliveries.keys().copied(), pick)
    }

    pub(crate) fn unsettled(&self, destination: i64) -> u64 {
        let count =
            self.deliveries.values().filter(|it| it.destination == destination && it.is_unsettled()).count();
        u64::try_from(count).unwrap()
    }

    pub(crate) fn claimable(&self, destination: i64) -> Vec<i64> {
        let may = |(id, it): &(&i64, &Known)| {
            it.destination == destination && it.state == State::Pending && !self.claimed.contains(id)
        };
        self.deliveries.iter().filter(may).map(|(id, _)| *id).collect()
    }

    fn has_unsettled_before(&self, destination: i64, incident: i64, sequence: u32) -> bool {
        self.deliveries.values().any(|it| {
            it.destination == destination
                && it.incident == incident
                && it.sequence < sequence
                && it.is_unsettled()
        })
    }

    pub(crate) fn deliver(&mut self, id: i64, destination: i64, incident: i64, sequence: u32) {
        let blocked = self.has_unsettled_before(destination, incident, sequence);
        let state = if blocked { State::Blocked } else { State::Pending };
        self.deliveries.insert(id, Known { destination, incident, sequence, state, attempts: 0 });
    }

    /// What became of a claimed delivery; none for a retry.
    pub(crate) fn record(&mut self, id: i64, outcome: Option<State>, attempted: bool) {
        self.claimed.remove(&id);
        let known = self.deliveries.get_mut(&id).unwrap();
        known.attempts += u32::from(attempted);
        let Some(outcome) = outcome else { return };
        known.state = outcome;
        let (destination, incident) = (known.destination, known.incident);
        let first = self
            .deliveries
            .values_mut()
            .filter(|it| it.destination == destination && it.incident == incident && it.is_unsettled())
            .min_by_key(|it| it.sequence);
        if let Some(first) = first {
            first.state = State::Pending;
        }
    }

    pub(crate) fn send_again(&mut self, id: i64) -> bool {
        let known = &self.deliveries[&id];
        if known.is_unsettled() {
            return false;
        }
        let blocked = self.has_unsettled_before(known.destination, known.incident, known.sequence);
        self.deliveries.get_mut(&id).unwrap().state = if blocked { State::Blocked } else { State::Pending };
        true
    }

    pub(crate) fn recover(&mut self, destination: i64, limit: u32) -> u32 {
        let dead: Vec<i64> = self
            .deliveries
            .iter()
            .filter(|(_, it)| it.destination == destination && it.state == State::Dead)
            .map(|(id, _)| *id)
            .take(usize::try_from(limit).unwrap())
            .collect();
        for id in &dead {
            self.send_again(*id);
        }
        u32::try_from(dead.len()).unwrap()
    }
}
