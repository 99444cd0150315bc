//! Deliveries: in order for each incident and destination, claimed once, settled together with what waits behind them.
//!
//! A delivery is *blocked* only while an unsettled one of the same incident to the same destination goes before it, and
//! whenever one settles the first of those that are left is unblocked. A dead one is settled and blocks nobody. One that
//! is sent again by hand is blocked only by those before it; one after it that is pending already stays so.

use std::{collections::HashSet, sync::Arc};

use bugle_model::{
    Clock, Delivery, DeliveryId, DeliveryState, DestinationId, Timestamp, delivery::Attempt,
    destination::Circuit, id::Id, limits::CLOCK_STEP_MIN,
};
use bugle_store::{Backlog, Claim, Due, NewDelivery, Next, Room, Settlement, StoreError};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Statement, ToSql, params};

use crate::{
    attempts::{self, Place, Recorder},
    claims::{Claimed, Claims},
    codec::{Code, encode, moment, moment_or_none, state},
    events::{Events, Known},
    readers::Readers,
    sql::deliveries as sql,
    tally::Tally,
    writer::{Abort, Shield, Writer},
};

/// Makes new deliveries, due at once or blocked.
pub(crate) fn insert(
    connection: &Connection,
    deliveries: &[NewDelivery],
    at_ms: i64,
) -> rusqlite::Result<()> {
    let mut added = Tally::of_backlog();
    let mut has_unsettled = connection.prepare_cached(sql::HAS_UNSETTLED)?;
    let mut insert = connection.prepare_cached(sql::INSERT)?;
    for new in deliveries {
        let (destination, incident) = (new.destination_id.as_i64(), new.incident_id.as_i64());
        let blocked: bool = has_unsettled.query_row([destination, incident], |row| row.get(0))?;
        let state = if blocked { DeliveryState::Blocked } else { DeliveryState::Pending };
        insert.execute(params![
            new.id.as_i64(),
            destination,
            incident,
            new.event_id.as_i64(),
            new.sequence,
            state.code(),
            (!blocked).then_some(at_ms),
            at_ms,
        ])?;
        added.count([destination], 1);
    }
    added.store(connection)
}

/// Claims what is due.
pub(crate) async fn claim_due(
    readers: &Readers,
    (claims, events): (&Arc<Claims>, &Arc<Events>),
    destination_id: DestinationId,
    now: Timestamp,
    room: Room,
) -> Result<Claim, StoreError> {
    let (claims, events) = (Arc::clone(claims), Arc::clone(events));
    let (claimed, next_retry_at) = readers
        .read("claim deliveries", move |connection| {
            let (mut claimed, next_retry_at) = claim(connection, claims, destination_id.as_i64(), now, room)?;
            let mut delivery_of = connection.prepare_cached(sql::ONE)?;
            // Of several that claim the same events at the same moment some begin at the end, so that they meet half way and do
            // not all read each event.
            let is_backwards = destination_id.as_i64() % 2 == 1;
            let mut ids = claimed.ids();
            if is_backwards {
                ids.reverse();
            }
            for id in ids {
                let delivery = delivery_of.query_row([id], read)?;
                let Known { event, documents } = events.one(connection, delivery.event_id)?;
                claimed.push(Due { delivery, event, documents });
            }
            if is_backwards {
                claimed.reverse();
            }
            Ok((claimed, next_retry_at))
        })
        .await?;
    Ok(Claim { due: claimed.take(), next_retry_at })
}

fn claim(
    connection: &Connection,
    claims: Arc<Claims>,
    destination: i64,
    now: Timestamp,
    room: Room,
) -> rusqlite::Result<(Claimed, Option<Timestamp>)> {
    let (mut ids, mut next_retry_at) = (Vec::new(), None);
    {
        // What is read is of the moment of the first statement below, so under the lock.
        let mut taken = claims.lock();
        if !is_deleted(connection, destination)? {
            let mut first_tries = connection.prepare_cached(sql::FIRST_TRIES)?;
            ids = free(&mut first_tries, params![destination], &taken, room.first_tries)?;
            next_retry_at = retries(connection, &taken, destination, now, room.retries, &mut ids)?;
            taken.extend(&ids);
        }
    }
    Ok((Claimed::new(claims, ids), next_retry_at))
}

/// The first ids that a statement finds and nobody has taken.
fn free(
    statement: &mut Statement<'_>,
    params: &[&dyn ToSql],
    taken: &HashSet<i64>,
    mut room: u32,
) -> rusqlite::Result<Vec<i64>> {
    let mut ids = Vec::new();
    let mut rows = statement.query(params)?;
    while room > 0
        && let Some(row) = rows.next()?
    {
        let id = row.get(0)?;
        if !taken.contains(&id) {
            ids.push(id);
            room -= 1;
        }
    }
    Ok(ids)
}

/// Those that are due, the turned back ones first: there are only so many of them, so they hold up the others for a while
/// at most. Returns when the next one is due, if there is room for it.
fn retries(
    connection: &Connection,
    taken: &HashSet<i64>,
    destination: i64,
    now: Timestamp,
    mut room: u32,
    ids: &mut Vec<i64>,
) -> rusqlite::Result<Option<Timestamp>> {
    let turned = params![destination, now.plus(CLOCK_STEP_MIN).as_millis()];
    let turned_back = free(&mut *connection.prepare_cached(sql::TURNED_BACK)?, turned, taken, room)?;
    room = room.saturating_sub(u32::try_from(turned_back.len()).unwrap_or(room));
    ids.extend(&turned_back);
    let mut statement = connection.prepare_cached(sql::RETRIES)?;
    let mut rows = statement.query([destination])?;
    while room > 0
        && let Some(row) = rows.next()?
    {
        let (id, due_at) = (row.get(0)?, moment(row, 1)?);
        if taken.contains(&id) || turned_back.contains(&id) {
            continue;
        }
        if due_at > now {
            return Ok(Some(due_at));
        }
        ids.push(id);
        room -= 1;
    }
    Ok(None)
}

pub(crate) fn is_deleted(connection: &Connection, destination: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached(sql::DESTINATION_IS_DELETED)?.query_row([destination], |row| row.get(0))
}

/// Records outcomes and circuits.
pub(crate) async fn settle(
    writer: &Writer,
    claims: &Arc<Claims>,
    clock: &dyn Clock,
    settlements: Vec<Settlement>,
    circuits: Vec<(DestinationId, Circuit)>,
) -> Result<(), StoreError> {
    const DOING: &str = "record the outcomes of deliveries";
    let broken = |error| StoreError::new(DOING, error);
    let now = clock.now();
    let ids: Vec<i64> = settlements.iter().map(|settlement| settlement.delivery_id.as_i64()).collect();
    let attempts = settlements.iter().filter_map(|one| one.attempt.as_deref());
    let attempts = attempts::Written::new(attempts).map_err(broken)?;
    let mut phases = Vec::with_capacity(circuits.len());
    for (destination, circuit) in &circuits {
        phases.push((destination.as_i64(), encode(circuit).map_err(broken)?));
    }
    let work = move |connection: &Connection| -> Result<(), Abort> {
        let mut settling = Settling::new(connection, &attempts, now)?;
        for settlement in &settlements {
            settling.record(settlement)?;
        }
        settling.added.store(connection)?;
        for (destination, circuit) in &phases {
            connection.prepare_cached(sql::SET_CIRCUIT)?.execute(params![destination, circuit])?;
        }
        Ok(())
    };
    let claims = Arc::clone(claims);
    Ok(writer.write_then(DOING, Shield::Savepoint, work, move |()| claims.give_up(ids)).await?)
}

/// What outcomes are recorded with, one after the other.
struct Settling<'a> {
    unsettled: CachedStatement<'a>,
    retry: CachedStatement<'a>,
    settle: CachedStatement<'a>,
    first_unsettled: CachedStatement<'a>,
    unblock: CachedStatement<'a>,
    attempts: Recorder<'a>,
    added: Tally<1>,
    now: Timestamp,
}

impl<'a> Settling<'a> {
    fn new(
        connection: &'a Connection,
        attempts: &'a attempts::Written,
        now: Timestamp,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            unsettled: connection.prepare_cached(sql::UNSETTLED)?,
            retry: connection.prepare_cached(sql::RETRY)?,
            settle: connection.prepare_cached(sql::SETTLE)?,
            first_unsettled: connection.prepare_cached(sql::FIRST_UNSETTLED)?,
            unblock: connection.prepare_cached(sql::UNBLOCK)?,
            attempts: Recorder::new(connection, attempts)?,
            added: Tally::of_backlog(),
            now,
        })
    }

    /// Records one outcome. One of a delivery that is settled already changes nothing.
    fn record(&mut self, settlement: &Settlement) -> rusqlite::Result<()> {
        let id = settlement.delivery_id.as_i64();
        let attempt = settlement.attempt.as_ref().and_then(|_| self.attempts.next());
        let unsettled: Option<(DeliveryState, u32, i64, i64)> = self
            .unsettled
            .query_row([id], |row| Ok((state(row, 0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()?;
        let Some((found, made, destination, incident)) = unsettled else { return Ok(()) };
        let ended_at = settlement.attempt.as_deref().map(|attempt| ended_at(attempt).as_millis());
        let now = self.now.as_millis();
        let (state, reason) = match &settlement.next {
            Next::RetryAt { at, reason } => {
                if found != DeliveryState::Pending {
                    return Ok(());
                }
                let values = params![id, made + 1, at.as_millis(), reason, ended_at.unwrap_or(now)];
                self.retry.execute(values)?;
                return self.record_attempt(id, made + 1, attempt);
            }
            Next::Delivered => (DeliveryState::Delivered, None),
            Next::Dead { reason } => (DeliveryState::Dead, Some(reason)),
            Next::Skipped { reason } => (DeliveryState::Skipped, Some(reason)),
        };
        let made = made + u32::from(attempt.is_some());
        self.settle.execute(params![id, state.code(), made, reason, ended_at, now])?;
        self.record_attempt(id, made, attempt)?;
        self.added.count([destination], -1);
        self.unblock_first(destination, incident)
    }

    /// Lets the first of those that are left go. An update that changes nothing would cost as much as one that does.
    fn unblock_first(&mut self, destination: i64, incident: i64) -> rusqlite::Result<()> {
        let first: Option<(i64, DeliveryState)> = self
            .first_unsettled
            .query_row([destination, incident], |row| Ok((row.get(0)?, state(row, 1)?)))
            .optional()?;
        match first {
            Some((id, DeliveryState::Blocked)) => self.unblock.execute([id]).map(drop),
            _ => Ok(()),
        }
    }

    fn record_attempt(&mut self, id: i64, number: u32, attempt: Option<Place>) -> rusqlite::Result<()> {
        attempt.map_or(Ok(()), |attempt| self.attempts.record(attempt, id, number))
    }
}

fn ended_at(attempt: &Attempt) -> Timestamp {
    attempt.started_at.plus(std::time::Duration::from_micros(attempt.duration_us))
}

/// What waits for each destination.
pub(crate) async fn backlog(readers: &Readers) -> Result<Vec<Backlog>, StoreError> {
    readers
        .read("count what waits", move |connection| {
            connection
                .prepare_cached(sql::BACKLOG)?
                .query_map([], |row| {
                    Ok(Backlog {
                        destination_id: Id::from_i64(row.get(0)?),
                        unsettled: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
                        oldest: moment_or_none(row, 2)?,
                    })
                })?
                .collect()
        })
        .await
}

/// When the oldest unsettled delivery was created, those of incidents of one platform left out.
pub(crate) async fn oldest_unsettled(
    readers: &Readers,
    to: DestinationId,
    except_platform: &str,
) -> Result<Option<Timestamp>, StoreError> {
    let platform = except_platform.to_owned();
    readers
        .read("look for the oldest delivery", move |connection| {
            connection
                .prepare_cached(sql::OLDEST_UNSETTLED)?
                .query_row(params![to.as_i64(), platform], |row| moment(row, 0))
                .optional()
        })
        .await
}

/// One delivery and its attempts.
pub(crate) async fn one(
    readers: &Readers,
    id: DeliveryId,
) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
    readers
        .read("read the delivery", move |connection| {
            let delivery = connection.prepare_cached(sql::ONE)?.query_row([id.as_i64()], read).optional()?;
            let Some(delivery) = delivery else { return Ok(None) };
            Ok(Some((delivery, attempts::of(connection, id)?)))
        })
        .await
}

pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: Id::from_i64(row.get(0)?),
        destination_id: Id::from_i64(row.get(1)?),
        incident_id: Id::from_i64(row.get(2)?),
        event_id: Id::from_i64(row.get(3)?),
        sequence: row.get(4)?,
        state: state(row, 5)?,
        attempts: row.get(6)?,
        attempts_forgiven: row.get(7)?,
        next_attempt_at: moment_or_none(row, 8)?,
        reason: row.get(9)?,
        created_at: moment(row, 10)?,
        settled_at: moment_or_none(row, 11)?,
    })
}
