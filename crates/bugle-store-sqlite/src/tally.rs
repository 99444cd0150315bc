//! Counts that are kept beside the rows that they count. What a transaction adds and takes away is written once, at its end.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::sql::{deliveries::ADD_TO_BACKLOG, incidents::ADD_TO_COUNT};

/// By how much counts change, each found by a key of `N` columns.
pub(crate) struct Tally<const N: usize> {
    /// Takes the key and then the change.
    statement: &'static str,
    changes: BTreeMap<[i64; N], i64>,
}

impl Tally<1> {
    /// Unsettled deliveries, by destination.
    pub(crate) fn of_backlog() -> Self {
        Self { statement: ADD_TO_BACKLOG, changes: BTreeMap::new() }
    }
}

impl Tally<2> {
    /// Incidents, by status and severity.
    pub(crate) fn of_incidents() -> Self {
        Self { statement: ADD_TO_COUNT, changes: BTreeMap::new() }
    }
}

impl<const N: usize> Tally<N> {
    pub(crate) fn count(&mut self, key: [i64; N], by: i64) {
        *self.changes.entry(key).or_default() += by;
    }

    pub(crate) fn store(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(self.statement)?;
        for (key, by) in self.changes.into_iter().filter(|(_, by)| *by != 0) {
            for (parameter, value) in (1..).zip(key.into_iter().chain([by])) {
                statement.raw_bind_parameter(parameter, value)?;
            }
            statement.raw_execute()?;
        }
        Ok(())
    }
}
