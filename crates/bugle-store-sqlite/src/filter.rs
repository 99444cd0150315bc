//! Incidents that have what is asked for, page by page. A page's cost does not grow with what is stored: it goes through
//! the index in which the rarest of what is asked for stands, and ends early where it has passed over too much.

use bugle_model::{Incident, IncidentStatus, Page, Severity};
use bugle_store::{IncidentFilter, PageRequest, StoreError};
use rusqlite::{CachedStatement, Connection, Row, ToSql, params};

use crate::{
    codec::{Code, state},
    incidents::one_of,
    page::{EXAMINED_MAX, Pager, below},
    readers::Readers,
    sql::incidents as sql,
    words,
};

/// Documents that are opened for one page; what is in no column is looked for in them.
const OPENED_MAX: u32 = 1_000;
/// Rows by which indexes are compared: the one in which so many reach back furthest has the fewest to go through.
const COMPARED: u32 = 64;

/// A page of incidents.
pub(crate) async fn page(
    readers: &Readers,
    filter: IncidentFilter,
    page: PageRequest,
) -> Result<Page<Incident>, StoreError> {
    readers.read("list incidents", move |connection| matching(connection, &filter, page)).await
}

/// As [`page`], within a reading of more.
pub(crate) fn matching(
    connection: &Connection,
    filter: &IncidentFilter,
    page: PageRequest,
) -> rusqlite::Result<Page<Incident>> {
    let mut pager = Pager::new(page);
    let Some(mut statement) = select(connection, filter, below(page))? else { return Ok(pager.finish()) };
    let (mut examined, mut opened, mut last) = (0, 0, 0);
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        examined += 1;
        last = row.get(0)?;
        if !admits(filter, row)? {
            continue;
        }
        opened += 1;
        let found: Option<Incident> = one_of(connection, sql::ONE, params![last])?;
        if let Some(incident) = found.filter(|found| holds(filter, found)) {
            pager.push(last, incident);
        }
        if pager.is_full() || opened == OPENED_MAX {
            break;
        }
    }
    let is_cut = examined == EXAMINED_MAX || opened == OPENED_MAX;
    Ok(if is_cut && !pager.is_full() { pager.finish_early(last) } else { pager.finish() })
}

/// The statement that leaves the least to look through, with its values. None when nothing can match.
fn select<'c>(
    connection: &'c Connection,
    filter: &IncidentFilter,
    below: i64,
) -> rusqlite::Result<Option<CachedStatement<'c>>> {
    let Some(search) = words::search_of(connection, filter)? else { return Ok(None) };
    if !search.is_empty() {
        return Way::Words(&search).statement(connection, below, EXAMINED_MAX).map(Some);
    }
    let mut best: Option<(i64, Way<'_>)> = None;
    let ways = ways(filter);
    for way in &ways {
        let reach = if ways.len() == 1 { 0 } else { way.reach(connection, below)? };
        if best.is_none_or(|(furthest, _)| reach < furthest) {
            best = Some((reach, *way));
        }
    }
    let way = best.map_or(Way::All, |(_, way)| way);
    way.statement(connection, below, EXAMINED_MAX).map(Some)
}

/// An index, and what is looked for in it.
#[derive(Clone, Copy)]
enum Way<'f> {
    All,
    Words(&'f str),
    Owner(&'f str),
    Platform(&'f str),
    Statuses(&'f [IncidentStatus]),
    /// Of any status where none is given.
    Severity(Severity, &'f [IncidentStatus]),
}

/// The indexes that would do for a filter without words, but for what is all of them.
fn ways(filter: &IncidentFilter) -> Vec<Way<'_>> {
    let statuses = filter.statuses.as_slice();
    let by_status = match filter.severity {
        Some(severity) => Some(Way::Severity(severity, statuses)),
        None => (!statuses.is_empty()).then_some(Way::Statuses(statuses)),
    };
    let by_owner = filter.owner.as_deref().map(Way::Owner);
    let by_platform = filter.platform.as_deref().map(Way::Platform);
    [by_owner, by_platform, by_status].into_iter().flatten().collect()
}

impl Way<'_> {
    fn statement(
        self,
        connection: &Connection,
        below: i64,
        rows: u32,
    ) -> rusqlite::Result<CachedStatement<'_>> {
        let by = |text: &str, value: &dyn ToSql| {
            let mut statement = connection.prepare_cached(text)?;
            statement.raw_bind_parameter(3, value)?;
            Ok::<_, rusqlite::Error>(statement)
        };
        let by_status = |text: &str, statuses: &[IncidentStatus]| {
            let mut statement = connection.prepare_cached(text)?;
            for (parameter, status) in (3..).zip(IncidentStatus::ALL) {
                let is_wanted = statuses.is_empty() || statuses.contains(&status);
                statement.raw_bind_parameter(parameter, is_wanted.then(|| status.code()))?;
            }
            Ok::<_, rusqlite::Error>(statement)
        };
        let mut statement = match self {
            Self::All => connection.prepare_cached(sql::PAGE)?,
            Self::Words(search) => by(sql::PAGE_WITH_WORDS, &search)?,
            Self::Owner(owner) => by(sql::PAGE_WITH_OWNER, &owner)?,
            Self::Platform(platform) => by(sql::PAGE_OF_PLATFORM, &platform)?,
            Self::Statuses(statuses) => by_status(sql::PAGE_IN_STATUSES, statuses)?,
            Self::Severity(severity, statuses) => {
                let mut statement = by_status(sql::PAGE_WITH_SEVERITY_IN_STATUSES, statuses)?;
                statement.raw_bind_parameter(10, severity.code())?;
                statement
            }
        };
        statement.raw_bind_parameter(1, below)?;
        statement.raw_bind_parameter(2, rows)?;
        Ok(statement)
    }

    /// How far back the first few rows reach; the least where there are not so many.
    fn reach(self, connection: &Connection, below: i64) -> rusqlite::Result<i64> {
        let mut statement = self.statement(connection, below, COMPARED)?;
        let (mut found, mut last) = (0, i64::MIN);
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            found += 1;
            last = row.get(0)?;
        }
        Ok(if found < COMPARED { i64::MIN } else { last })
    }
}

/// Whether a row has all that is asked for besides the words.
fn admits(filter: &IncidentFilter, row: &Row<'_>) -> rusqlite::Result<bool> {
    let status: IncidentStatus = state(row, 1)?;
    let severity: Severity = state(row, 2)?;
    let is = |wanted: &Option<String>, column: usize| -> rusqlite::Result<bool> {
        let text = row.get_ref(column)?.as_str()?;
        Ok(wanted.as_deref().is_none_or(|wanted| wanted == text))
    };
    Ok((filter.statuses.is_empty() || filter.statuses.contains(&status))
        && filter.severity.is_none_or(|wanted| wanted == severity)
        && is(&filter.owner, 3)?
        && is(&filter.platform, 4)?)
}

/// Whether an incident has the service and the labels that are asked for. Words find nearly only such, and some others.
fn holds(filter: &IncidentFilter, incident: &Incident) -> bool {
    let is_of_service = filter.service.is_none() || filter.service == incident.service;
    let mut labels = filter.labels.iter();
    is_of_service && labels.all(|(name, value)| incident.labels.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use bugle_model::IntegrationId;
    use bugle_store::conformance::sample;

    use super::*;
    use crate::{
        codec::Packer,
        incidents::{self, WrittenIncident},
    };

    /// More than a page may pass over.
    const STORED: i64 = EXAMINED_MAX as i64 + 500;

    #[test]
    fn what_is_rare_is_found_at_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::migrate::migrate(&mut connection).unwrap();
        let transaction = connection.transaction().unwrap();
        let mut packer = Packer::default();
        for id in 1..=STORED {
            let incident = Incident {
                status: if id % 500 == 1 { IncidentStatus::Acknowledged } else { IncidentStatus::Open },
                severity: if id % 500 == 2 { Severity::Critical } else { Severity::High },
                owner: (id % 500 == 3).then(|| "ada@example.com".to_owned()),
                platform: if id % 500 == 4 { "grafana" } else { "datadog" }.to_owned(),
                grouping_key: format!("key-{id}"),
                ..sample::incident(id, IntegrationId::from_i64(1))
            };
            incidents::store(&transaction, &WrittenIncident::new(incident, &mut packer).unwrap()).unwrap();
        }
        transaction.commit().unwrap();
        let common = IncidentFilter {
            statuses: vec![IncidentStatus::Open, IncidentStatus::Acknowledged],
            severity: Some(Severity::High),
            owner: Some(String::new()),
            platform: Some("datadog".to_owned()),
            ..IncidentFilter::default()
        };
        for (rest, filter) in [
            (1, IncidentFilter { statuses: vec![IncidentStatus::Acknowledged], ..common.clone() }),
            (2, IncidentFilter { severity: Some(Severity::Critical), ..common.clone() }),
            (3, IncidentFilter { owner: Some("ada@example.com".to_owned()), ..common.clone() }),
            (4, IncidentFilter { platform: Some("grafana".to_owned()), ..common.clone() }),
        ] {
            let page = matching(&connection, &filter, PageRequest { cursor: None, limit: 200 }).unwrap();
            let expected: Vec<i64> = (1..=STORED).rev().filter(|id| id % 500 == rest).collect();
            let found: Vec<i64> = page.data.iter().map(|incident| incident.id.as_i64()).collect();
            assert_eq!((found, page.next_cursor), (expected, None), "{filter:?}");
        }
        let page = matching(&connection, &common, PageRequest { cursor: None, limit: 50 }).unwrap();
        assert_eq!((page.data.len(), page.next_cursor.is_some()), (50, true));
    }
}
