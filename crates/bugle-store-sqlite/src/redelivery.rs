//! Sending settled deliveries again, because somebody asked for it.

use bugle_model::{Delivery, DeliveryId, DeliveryState, DestinationId, Timestamp};
use bugle_store::{RecoverFrom, Recovered, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    codec::Code,
    deliveries::{is_deleted, read},
    readers::Readers,
    sql::deliveries as sql,
    tally::Tally,
    writer::{Abort, Shield, Writer},
};

/// Sends a settled delivery again.
pub(crate) async fn redeliver(writer: &Writer, id: DeliveryId, now: Timestamp) -> Result<bool, StoreError> {
    let work = move |connection: &Connection| -> Result<bool, Abort> {
        let delivery = connection.prepare_cached(sql::ONE)?.query_row([id.as_i64()], read).optional()?;
        let Some(delivery) = delivery.filter(|delivery| delivery.state.is_settled()) else {
            return Ok(false);
        };
        if is_deleted(connection, delivery.destination_id.as_i64())? {
            return Ok(false);
        }
        let mut added = Tally::of_backlog();
        send_again(connection, &delivery, now, &mut added)?;
        added.store(connection)?;
        Ok(true)
    };
    Ok(writer.write("send the delivery again", Shield::Savepoint, work).await?)
}

/// Sends some dead deliveries of a destination again.
pub(crate) async fn recover(
    writer: &Writer,
    destination_id: DestinationId,
    from: RecoverFrom,
    now: Timestamp,
    limit: u32,
) -> Result<Recovered, StoreError> {
    let work = move |connection: &Connection| -> Result<Recovered, Abort> {
        let destination = destination_id.as_i64();
        if is_deleted(connection, destination)? {
            return Ok(Recovered { count: 0, rest: None });
        }
        let (since, after) = (from.created_at.as_millis(), from.after.as_i64());
        let mut dead: Vec<Delivery> = connection
            .prepare_cached(sql::DEAD_SINCE)?
            .query_map(params![destination, since, after, limit], read)?
            .collect::<Result<_, _>>()?;
        let count = u32::try_from(dead.len()).unwrap_or(u32::MAX);
        let last = dead.last().filter(|_| count >= limit);
        let rest = last.map(|last| RecoverFrom { created_at: last.created_at, after: last.id });
        dead.sort_by_key(|delivery| (delivery.incident_id, delivery.sequence));
        let mut added = Tally::of_backlog();
        for delivery in &dead {
            send_again(connection, delivery, now, &mut added)?;
        }
        added.store(connection)?;
        Ok(Recovered { count, rest })
    };
    Ok(writer.write("send dead deliveries again", Shield::Savepoint, work).await?)
}

/// How many a recovery would send again; none once the destination is deleted.
pub(crate) async fn count_dead(
    readers: &Readers,
    destination_id: DestinationId,
    since: Timestamp,
    limit: u32,
) -> Result<u32, StoreError> {
    readers
        .read("count dead deliveries", move |connection| {
            let destination = destination_id.as_i64();
            if is_deleted(connection, destination)? {
                return Ok(0);
            }
            let count: i64 = connection
                .prepare_cached(sql::COUNT_DEAD_SINCE)?
                .query_row(params![destination, since.as_millis(), limit], |row| row.get(0))?;
            Ok(u32::try_from(count).unwrap_or(limit))
        })
        .await
}

fn send_again(
    connection: &Connection,
    delivery: &Delivery,
    now: Timestamp,
    added: &mut Tally<1>,
) -> rusqlite::Result<()> {
    let (destination, incident) = (delivery.destination_id.as_i64(), delivery.incident_id.as_i64());
    let blocked: bool = connection
        .prepare_cached(sql::HAS_UNSETTLED_BEFORE)?
        .query_row(params![destination, incident, delivery.sequence], |row| row.get(0))?;
    let state = if blocked { DeliveryState::Blocked } else { DeliveryState::Pending };
    let due_at = (!blocked).then_some(now.as_millis());
    connection.prepare_cached(sql::SEND_AGAIN)?.execute(params![
        delivery.id.as_i64(),
        state.code(),
        due_at
    ])?;
    added.count([destination], 1);
    Ok(())
}
