//! What is old goes, a little at a time, and the space it took is given back.
//!
//! A step is bounded in rows and in time, so that it fits into a transaction beside everybody else's writes. Of an incident
//! the deliveries go first and its own row last: whatever a step leaves behind, no delivery lacks its event.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bugle_model::{Alert, AlertStatus, Timestamp};
use bugle_store::{PruneBefore, Pruned, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    attempts,
    codec::Packer,
    document::{Document, read_alert},
    incidents::store_alert,
    receipts,
    sql::{config::REMEMBER_ID_FLOOR, incidents, retention as sql},
    tally::Tally,
    writer::{Shield, Writer},
};

/// How long a step may delete receipts, and again incidents, before it stops early.
const TIME_MAX: Duration = Duration::from_millis(2);
/// Receipts too young to go that one step looks at. It does not stop at the first: that may have come while the clock
/// was ahead.
const PASSED_OVER_MAX: u32 = 64;
/// Rows deleted by one statement.
const CHUNK: u32 = 16;
/// Free pages that stay in the file for what comes next: 4 MiB. Giving them back would only move pages twice.
const FREE_PAGES_KEPT: i64 = 1_024;
const FREE_PAGES: &str = "PRAGMA freelist_count";
/// So few that others in the same transaction do not wait long for the disk. Answers a row for each page (<https://www.sqlite.org/pragma.html#pragma_incremental_vacuum>).
const GIVE_PAGES_BACK: &str = "PRAGMA incremental_vacuum(128)";

/// Where the next step goes on among the resolved incidents: behind this one's moment and id. So those that something
/// still waits for are passed over once a round, however many they are.
#[derive(Debug, Default)]
pub(crate) struct Retention(Mutex<Option<(i64, i64)>>);

/// What a step may still do.
struct Budget {
    rows: u32,
    until: Instant,
}

impl Budget {
    fn new(rows: u32) -> Self {
        Self { rows, until: Instant::now() + TIME_MAX }
    }

    fn spend(&mut self, rows: usize) {
        self.rows = self.rows.saturating_sub(u32::try_from(rows).unwrap_or(u32::MAX));
    }

    fn is_spent(&self) -> bool {
        self.rows == 0 || Instant::now() >= self.until
    }
}

/// Makes one step: deletes, or when nothing is left to delete gives space back.
pub(crate) async fn prune(
    writer: &Writer,
    retention: &Arc<Retention>,
    before: PruneBefore,
    limit: u32,
) -> Result<Pruned, StoreError> {
    let retention = Arc::clone(retention);
    let delete = move |connection: &Connection| Ok(retention.delete(connection, before, limit)?);
    let pruned = writer.write("delete what is old", Shield::Savepoint, delete).await?;
    if pruned.more {
        return Ok(pruned);
    }
    let give_back = |connection: &Connection| Ok(give_back(connection)?);
    let more = writer.write("give space back", Shield::Savepoint, give_back).await?;
    Ok(Pruned { more, ..pruned })
}

impl Retention {
    fn delete(&self, connection: &Connection, before: PruneBefore, limit: u32) -> rusqlite::Result<Pruned> {
        let (limit, mut pruned) = (limit.max(1), Pruned::default());
        if let Some(before) = before.receipts {
            delete_receipts(connection, before, limit, &mut pruned)?;
        }
        if let Some(before) = before.incidents {
            self.delete_incidents(connection, before, limit, &mut pruned)?;
        }
        Ok(pruned)
    }

    fn delete_incidents(
        &self,
        connection: &Connection,
        before: Timestamp,
        limit: u32,
        pruned: &mut Pruned,
    ) -> rusqlite::Result<()> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, id) = place.unwrap_or((i64::MIN, 0));
        let old: Vec<(i64, i64)> = connection
            .prepare_cached(sql::RESOLVED_INCIDENTS)?
            .query_map(params![at, id, before.as_millis(), limit], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        if !old.is_empty() {
            remember_id_floor(connection)?;
        }
        let mut budget = Budget::new(limit);
        for (id, at) in &old {
            if is_waited_for(connection, *id)? {
                budget.spend(1);
            } else if delete_incident(connection, *id, before, &mut budget)? {
                pruned.incidents += 1;
            } else {
                pruned.more = true;
                return Ok(());
            }
            *place = Some((*at, *id));
            if budget.is_spent() {
                pruned.more = true;
                return Ok(());
            }
        }
        *place = None;
        Ok(())
    }
}

fn remember_id_floor(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached(REMEMBER_ID_FLOOR)?.execute([]).map(drop)
}

fn delete_receipts(
    connection: &Connection,
    before: Timestamp,
    limit: u32,
    pruned: &mut Pruned,
) -> rusqlite::Result<()> {
    let (mut old, mut passed_over) = (Vec::new(), 0);
    let mut statement = connection.prepare_cached(sql::OLDEST_RECEIPTS)?;
    let mut rows = statement.query([limit.saturating_add(PASSED_OVER_MAX)])?;
    while passed_over < PASSED_OVER_MAX
        && let Some(row) = rows.next()?
    {
        let (id, received_at): (i64, i64) = (row.get(0)?, row.get(1)?);
        if received_at < before.as_millis() {
            old.push(id);
        } else {
            passed_over += 1;
        }
    }
    drop(rows);
    if old.is_empty() {
        return Ok(());
    }
    remember_id_floor(connection)?;
    let mut budget = Budget::new(limit);
    for id in old {
        receipts::delete(connection, id)?;
        pruned.receipts += 1;
        budget.spend(1);
        if budget.is_spent() {
            pruned.more = true;
            break;
        }
    }
    Ok(())
}

fn is_waited_for(connection: &Connection, incident: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached(sql::IS_WAITED_FOR)?.query_row([incident], |row| row.get(0))
}

/// Deletes an incident and what belongs to it. False when the budget was spent before its end.
fn delete_incident(
    connection: &Connection,
    id: i64,
    before: Timestamp,
    budget: &mut Budget,
) -> rusqlite::Result<bool> {
    let done = delete_deliveries(connection, id, budget)?
        && let_go_of_alerts(connection, id, before, budget)?
        && delete_some(budget, |limit| delete_events(connection, id, limit))?;
    if done {
        connection.prepare_cached(incidents::WORDS_DELETE)?.execute([id])?;
        let key = connection
            .prepare_cached(sql::INCIDENT_DELETE)?
            .query_row([id], |row| Ok([row.get(0)?, row.get(1)?]))?;
        connection.prepare_cached(sql::EVENTS_DELETE)?.execute([id])?;
        let mut gone = Tally::of_incidents();
        gone.count(key, -1);
        gone.store(connection)?;
        budget.spend(1);
    }
    Ok(done)
}

fn delete_deliveries(connection: &Connection, incident: i64, budget: &mut Budget) -> rusqlite::Result<bool> {
    let mut gone = Tally::of_backlog();
    let done = loop {
        let next: Option<(i64, i64, bool)> = connection
            .prepare_cached(sql::NEXT_DELIVERY)?
            .query_row([incident], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((id, destination, unsettled)) = next else { break true };
        if !delete_some(budget, |limit| attempts::delete_some(connection, id, limit))? {
            break false;
        }
        connection.prepare_cached(sql::DELIVERY_DELETE)?.execute([id])?;
        if unsettled {
            gone.count([destination], -1);
        }
        budget.spend(1);
        if budget.is_spent() {
            break false;
        }
    };
    gone.store(connection)?;
    Ok(done)
}

fn delete_events(connection: &Connection, incident: i64, limit: u32) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql::SOME_EVENTS_DELETE)?.execute(params![incident, limit])
}

/// Deletes some rows after the others until none is left. False when the budget was spent before the last.
fn delete_some(
    budget: &mut Budget,
    mut delete: impl FnMut(u32) -> rusqlite::Result<usize>,
) -> rusqlite::Result<bool> {
    loop {
        let rows = delete(CHUNK.min(budget.rows))?;
        budget.spend(rows);
        if rows == 0 {
            return Ok(true);
        }
        if budget.is_spent() {
            return Ok(false);
        }
    }
}

/// Deletes the incident's alerts, but for those that are not resolved and were heard of since `before`: they lose their
/// incident.
fn let_go_of_alerts(
    connection: &Connection,
    incident: i64,
    before: Timestamp,
    budget: &mut Budget,
) -> rusqlite::Result<bool> {
    let mut packer = Packer::default();
    loop {
        let next: Option<(i64, Alert)> = connection
            .prepare_cached(sql::NEXT_ALERT)?
            .query_row([incident], |row| Ok((row.get(0)?, read_alert(row, 1)?)))
            .optional()?;
        let Some((id, alert)) = next else { return Ok(true) };
        if alert.status == AlertStatus::Resolved || alert.last_seen_at < before {
            connection.prepare_cached(sql::ALERT_DELETE)?.execute([id])?;
        } else {
            let alert = Alert { incident_id: None, ..alert };
            store_alert(connection, &alert, &Document::own(&alert, &mut packer)?)?;
        }
        budget.spend(1);
        if budget.is_spent() {
            return Ok(false);
        }
    }
}

/// Shortens the file by some of its free pages; returns whether there are more to give back. The system sees it once a
/// checkpoint has copied the log.
fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    let free: i64 = connection.prepare_cached(FREE_PAGES)?.query_row([], |row| row.get(0))?;
    if free <= FREE_PAGES_KEPT {
        return Ok(false);
    }
    let until = Instant::now() + TIME_MAX;
    let mut statement = connection.prepare_cached(GIVE_PAGES_BACK)?;
    let mut rows = statement.raw_query();
    let mut given = 0;
    while rows.next()?.is_some() {
        given += 1;
        if Instant::now() >= until {
            break;
        }
    }
    Ok(given > 0 && free - given > FREE_PAGES_KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a deleted destination would have got was counted too.
    #[test]
    fn what_is_deleted_is_counted_no_more() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::migrate::migrate(&mut connection).unwrap();
        connection
            .execute_batch(
                "INSERT INTO destination (id, document, deleted_at) VALUES (50, '{}', 1);
                 INSERT INTO incident (id, revision, status, severity, owner, platform, grouping_key, resolved_at, \
                    words_hash, document) VALUES (1, 1, 3, 0, '', 'custom', 'key', 10, 0, '{}');
                 INSERT INTO delivery (id, destination_id, incident_id, event_id, sequence, state, created_at) \
                    VALUES (2, 50, 1, 8, 1, 0, 5), (3, 50, 1, 9, 2, 1, 5), (4, 50, 1, 7, 1, 2, 5), (5, 50, 6, 7, 1, 0, 5);
                 INSERT INTO backlog VALUES (50, 3);
                 INSERT INTO incident_count VALUES (3, 0, 4), (3, 1, 5);",
            )
            .unwrap();
        let before = PruneBefore { receipts: None, incidents: Some(Timestamp::from_millis(11)) };
        let retention = Retention::default();
        while retention.delete(&connection, before, 200).unwrap().more {}
        let (unsettled, left): (i64, i64) = connection
            .query_row("SELECT unsettled, (SELECT sum(id) FROM delivery) FROM backlog", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!((unsettled, left), (1, 5));
        let counts: String = connection
            .query_row("SELECT group_concat(incidents, ' ') FROM incident_count", [], |row| row.get(0))
            .unwrap();
        assert_eq!(counts, "3 5");
    }
}
