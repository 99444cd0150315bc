//! Deliveries that have what is asked for, page by page, newest first.

use std::cmp::Reverse;

use bugle_model::{Delivery, DeliveryState, Page, id::Id};
use bugle_store::{DeliveryFilter, PageRequest, StoreError};
use rusqlite::{Connection, ToSql, params};

use crate::{
    deliveries::read,
    page::{EXAMINED_MAX, Pager, below},
    readers::Readers,
    sql::deliveries as sql,
};

/// A page of deliveries.
pub(crate) async fn page(
    readers: &Readers,
    filter: DeliveryFilter,
    page: PageRequest,
) -> Result<Page<Delivery>, StoreError> {
    readers.read("list deliveries", move |connection| matching(connection, filter, page)).await
}

fn matching(
    connection: &Connection,
    filter: DeliveryFilter,
    page: PageRequest,
) -> rusqlite::Result<Page<Delivery>> {
    let below = below(page);
    let all = |statement| collect(connection, statement, params![below, EXAMINED_MAX], filter, page);
    let of = |statement, owner: i64| {
        collect(connection, statement, params![below, EXAMINED_MAX, owner], filter, page)
    };
    let is_unsettled = filter.state.is_some_and(|state| !state.is_settled());
    match (filter.incident_id.map(Id::as_i64), filter.destination_id.map(Id::as_i64), filter.state) {
        (Some(incident), _, _) => of(sql::PAGE_OF_INCIDENT, incident),
        (None, Some(to), Some(DeliveryState::Dead)) => of(sql::PAGE_DEAD_TO_DESTINATION, to),
        (None, Some(to), _) if is_unsettled => of(sql::PAGE_UNSETTLED_TO_DESTINATION, to),
        (None, Some(to), _) => of(sql::PAGE_TO_DESTINATION, to),
        (None, None, Some(DeliveryState::Dead)) => all(sql::PAGE_DEAD),
        (None, None, _) if is_unsettled => unsettled(connection, filter, page),
        (None, None, _) => all(sql::PAGE),
    }
}

/// What waits, for whichever destination. Each has an index of what waits for it; these are merged. However much was delivered
/// since, what is stuck is found at once.
fn unsettled(
    connection: &Connection,
    filter: DeliveryFilter,
    page: PageRequest,
) -> rusqlite::Result<Page<Delivery>> {
    let mut found = Vec::new();
    // Down to here all were looked at.
    let mut down_to = None;
    let mut waited_for = connection.prepare_cached(sql::DESTINATIONS_WAITED_FOR)?;
    for destination in waited_for.query_map([], |row| row.get::<_, i64>(0))? {
        let filter = DeliveryFilter { destination_id: Some(Id::from_i64(destination?)), ..filter };
        let part = matching(connection, filter, page)?;
        found.extend(part.data);
        down_to = down_to.max(part.next_cursor.map(|cursor| cursor.0));
    }
    found.sort_unstable_by_key(|delivery| Reverse(delivery.id));
    let mut pager = Pager::new(page);
    for delivery in found {
        let id = delivery.id.as_i64();
        if down_to.is_none_or(|down_to| id >= down_to) {
            pager.push(id, delivery);
        }
    }
    Ok(match down_to {
        Some(down_to) if !pager.is_full() => pager.finish_early(down_to),
        _ => pager.finish(),
    })
}

fn collect(
    connection: &Connection,
    statement: &str,
    params: &[&dyn ToSql],
    filter: DeliveryFilter,
    page: PageRequest,
) -> rusqlite::Result<Page<Delivery>> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut pager = Pager::new(page);
    let (mut examined, mut last) = (0, 0);
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        let delivery = read(row)?;
        examined += 1;
        last = delivery.id.as_i64();
        if filter.destination_id.is_none_or(|wanted| wanted == delivery.destination_id)
            && filter.state.is_none_or(|wanted| wanted == delivery.state)
        {
            pager.push(last, delivery);
            if pager.is_full() {
                break;
            }
        }
    }
    Ok(if examined == EXAMINED_MAX { pager.finish_early(last) } else { pager.finish() })
}

#[cfg(test)]
mod tests {
    use bugle_model::{DestinationId, IntegrationId};
    use bugle_store::{Next, Settlement, Step, Store, conformance::sample};

    use super::*;
    use crate::{Options, SqliteStore};

    /// One event of each of these incidents, with a delivery.
    fn step(incidents: std::ops::RangeInclusive<i64>, to: i64) -> Step {
        let mut step = Step { at: sample::NOON, ..Step::default() };
        for id in incidents {
            let incident = sample::incident(id, IntegrationId::from_i64(1));
            let event = sample::event(id, &incident);
            step.deliveries.push(sample::delivery(id, &event, DestinationId::from_i64(to)));
            step.incidents.push(incident);
            step.events.push(event);
        }
        step
    }

    #[tokio::test]
    async fn what_is_stuck_is_found_at_once_however_much_was_delivered_since() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path(), Options::default()).unwrap();
        store.commit(step(1..=3, 50)).await.unwrap();
        let later = step(4..=i64::from(EXAMINED_MAX) + 100, 51);
        let settled = later.deliveries.iter().map(|one| Settlement {
            delivery_id: one.id,
            attempt: None,
            next: Next::Delivered,
        });
        let settled = settled.skip(1).collect();
        store.commit(later).await.unwrap();
        store.settle(settled, Vec::new()).await.unwrap();
        let filter = DeliveryFilter { state: Some(DeliveryState::Pending), ..DeliveryFilter::default() };
        let mut page = PageRequest { cursor: None, limit: 3 };
        let mut pages = Vec::new();
        for _ in 0..2 {
            let found = store.deliveries(filter, page).await.unwrap();
            pages.push(found.data.iter().map(|one| one.id.as_i64()).collect::<Vec<_>>());
            page.cursor = found.next_cursor;
        }
        assert_eq!(pages, [vec![4, 3, 2], vec![1]]);
    }
}
