//! Incidents, their alerts and their timelines.

use std::collections::BTreeMap;

use bugle_model::{
    Alert, Cursor, Event, Incident, IncidentId, IncidentStatus, IntegrationId, Page, Severity, id::Id,
};
use bugle_store::{Committed, IncidentCount, IncidentFilter, PageRequest, StoreError};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, ToSql, params, types::Value};

use crate::{
    codec::{Code, Packer, decode, state},
    page::{EXAMINED_MAX, Pager, above, below, rows},
    readers::Readers,
    sql::incidents as sql,
    words,
    writer::Abort,
};

/// Documents that are opened for one page; what is in no column is looked for in them.
const OPENED_MAX: u32 = 1_000;

/// An incident with its document and its words written, so that the writer does not have to.
pub(crate) struct WrittenIncident {
    incident: Incident,
    words: String,
    words_hash: i64,
    document: Value,
}

impl WrittenIncident {
    pub(crate) fn new(incident: Incident, packer: &mut Packer) -> rusqlite::Result<Self> {
        let words = words::words(&incident);
        Ok(Self { words_hash: words::hash(&words), words, document: packer.pack(&incident)?, incident })
    }
}

/// The columns beside an incident's document. While they stay as they are no index needs to change.
#[derive(PartialEq)]
struct Facts {
    status: i64,
    severity: i64,
    owner: String,
    platform: String,
    grouping_key: String,
    resolved_at: Option<i64>,
    words_hash: i64,
}

/// Stores an incident whose stored revision is the one before it.
pub(crate) fn store(connection: &Connection, written: &WrittenIncident) -> Result<(), Abort> {
    let incident = &written.incident;
    let id = incident.id.as_i64();
    let now = Facts {
        status: incident.status.code(),
        severity: incident.severity.code(),
        owner: incident.owner.clone().unwrap_or_default(),
        platform: incident.platform.clone(),
        grouping_key: incident.grouping_key.clone(),
        resolved_at: incident
            .is_resolved()
            .then(|| incident.resolved_at.unwrap_or(incident.updated_at).as_millis()),
        words_hash: written.words_hash,
    };
    if incident.revision <= 1 {
        write_whole(connection, sql::INSERT, written, &now)?;
        connection.prepare_cached(sql::WORDS_INSERT)?.execute(params![id, written.words])?;
        return Ok(());
    }
    let stored: Option<(u32, Facts)> =
        connection.prepare_cached(sql::FACTS)?.query_row([id], read_facts).optional()?;
    let Some((_, before)) = stored.filter(|(revision, _)| *revision == incident.revision - 1) else {
        return Err(Abort::Conflict);
    };
    if before == now {
        connection.prepare_cached(sql::TOUCH)?.execute(params![id, incident.revision, written.document])?;
        return Ok(());
    }
    write_whole(connection, sql::UPDATE, written, &now)?;
    if before.words_hash != now.words_hash {
        connection.prepare_cached(sql::WORDS_DELETE)?.execute([id])?;
        connection.prepare_cached(sql::WORDS_INSERT)?.execute(params![id, written.words])?;
    }
    Ok(())
}

fn write_whole(
    connection: &Connection,
    statement: &str,
    written: &WrittenIncident,
    facts: &Facts,
) -> rusqlite::Result<()> {
    let values = params![
        written.incident.id.as_i64(),
        written.incident.revision,
        facts.status,
        facts.severity,
        facts.owner,
        facts.platform,
        facts.grouping_key,
        facts.resolved_at,
        facts.words_hash,
        written.document,
    ];
    connection.prepare_cached(statement)?.execute(values).map(drop)
}

fn read_facts(row: &Row<'_>) -> rusqlite::Result<(u32, Facts)> {
    let facts = Facts {
        status: row.get(1)?,
        severity: row.get(2)?,
        owner: row.get(3)?,
        platform: row.get(4)?,
        grouping_key: row.get(5)?,
        resolved_at: row.get(6)?,
        words_hash: row.get(7)?,
    };
    Ok((row.get(0)?, facts))
}

/// Stores an alert as it is now.
pub(crate) fn store_alert(connection: &Connection, alert: &Alert, document: &Value) -> rusqlite::Result<()> {
    let id = alert.id.as_i64();
    let incident = alert.incident_id.map(Id::as_i64);
    let stored: Option<Option<i64>> =
        connection.prepare_cached(sql::ALERT_KEYS)?.query_row([id], |row| row.get(0)).optional()?;
    match stored {
        None => {
            let integration = alert.integration_id.as_i64();
            let values = params![id, integration, alert.fingerprint, incident, document];
            connection.prepare_cached(sql::ALERT_INSERT)?.execute(values)?;
        }
        Some(before) if before == incident => {
            connection.prepare_cached(sql::ALERT_TOUCH)?.execute(params![id, document])?;
        }
        Some(_) => {
            connection.prepare_cached(sql::ALERT_MOVE)?.execute(params![id, document, incident])?;
        }
    }
    Ok(())
}

/// The stored alerts among these keys.
pub(crate) async fn alerts_by_key(
    readers: &Readers,
    keys: Vec<(IntegrationId, String)>,
) -> Result<Vec<Alert>, StoreError> {
    readers
        .read("read alerts", move |connection| {
            let mut statement = connection.prepare_cached(sql::ALERT_BY_FINGERPRINT)?;
            let mut alerts = Vec::new();
            for (integration, fingerprint) in keys {
                let key = params![integration.as_i64(), fingerprint];
                alerts.extend(statement.query_row(key, |row| decode(row, 0)).optional()?);
            }
            Ok(alerts)
        })
        .await
}

/// The incidents with these ids, and for each key its unresolved one, or else the one resolved last.
pub(crate) async fn incidents_for(
    readers: &Readers,
    ids: Vec<IncidentId>,
    grouping_keys: Vec<String>,
) -> Result<Vec<Incident>, StoreError> {
    readers
        .read("read incidents", move |connection| {
            let mut found = BTreeMap::new();
            let snapshot = connection.unchecked_transaction()?;
            for id in ids {
                if let Some(incident) = one_of(&snapshot, sql::ONE, params![id.as_i64()])? {
                    found.insert(incident.id, incident);
                }
            }
            for key in grouping_keys {
                let mut incident = one_of(&snapshot, sql::UNRESOLVED_OF_KEY, params![key])?;
                if incident.is_none() {
                    incident = one_of(&snapshot, sql::RESOLVED_LAST_OF_KEY, params![key])?;
                }
                found.extend(incident.map(|incident| (incident.id, incident)));
            }
            Ok(found.into_values().collect())
        })
        .await
}

fn one_of(
    connection: &Connection,
    statement: &str,
    key: &[&dyn ToSql],
) -> rusqlite::Result<Option<Incident>> {
    connection.prepare_cached(statement)?.query_row(key, |row| decode(row, 0)).optional()
}

/// One incident.
pub(crate) async fn one(readers: &Readers, id: IncidentId) -> Result<Option<Incident>, StoreError> {
    readers
        .read("read the incident", move |connection| one_of(connection, sql::ONE, params![id.as_i64()]))
        .await
}

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

/// Chooses the index that leaves the least to look through, and binds its values. None when nothing can match.
fn select<'c>(
    connection: &'c Connection,
    filter: &IncidentFilter,
    below: i64,
) -> rusqlite::Result<Option<CachedStatement<'c>>> {
    let unresolved_only =
        !filter.statuses.is_empty() && !filter.statuses.iter().any(|status| status.is_resolved());
    let by_status = |connection: &'c Connection, statement: &str| {
        let mut statement = connection.prepare_cached(statement)?;
        for (parameter, status) in (3..).zip(IncidentStatus::ALL) {
            let is_wanted = filter.statuses.is_empty() || filter.statuses.contains(&status);
            let wanted = is_wanted.then(|| status.code());
            statement.raw_bind_parameter(parameter, wanted)?;
        }
        Ok::<_, rusqlite::Error>(statement)
    };
    let by = |statement: &str, value: &dyn ToSql| {
        let mut statement = connection.prepare_cached(statement)?;
        statement.raw_bind_parameter(3, value)?;
        Ok::<_, rusqlite::Error>(statement)
    };
    let Some(search) = words::search_of(connection, filter)? else { return Ok(None) };
    let mut statement = match filter {
        _ if !search.is_empty() => by(sql::PAGE_WITH_WORDS, &search)?,
        IncidentFilter { owner: Some(owner), .. } if !owner.is_empty() => by(sql::PAGE_WITH_OWNER, owner)?,
        IncidentFilter { severity: Some(severity), .. } => {
            let mut statement = by_status(connection, sql::PAGE_WITH_SEVERITY_IN_STATUSES)?;
            statement.raw_bind_parameter(10, severity.code())?;
            statement
        }
        _ if unresolved_only => by_status(connection, sql::PAGE_IN_STATUSES)?,
        IncidentFilter { platform: Some(platform), .. } => by(sql::PAGE_OF_PLATFORM, platform)?,
        IncidentFilter { statuses, .. } if !statuses.is_empty() => {
            by_status(connection, sql::PAGE_IN_STATUSES)?
        }
        IncidentFilter { owner: Some(owner), .. } => by(sql::PAGE_WITH_OWNER, owner)?,
        _ => connection.prepare_cached(sql::PAGE)?,
    };
    statement.raw_bind_parameter(1, below)?;
    statement.raw_bind_parameter(2, EXAMINED_MAX)?;
    Ok(Some(statement))
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

/// Incidents that nobody has taken: the worst first, and of those the newest.
pub(crate) async fn worst_open(readers: &Readers, limit: u32) -> Result<Vec<Incident>, StoreError> {
    readers
        .read("read the worst incidents", move |connection| {
            let mut statement = connection.prepare_cached(sql::WORST_OPEN)?;
            statement.query_map([limit], |row| decode(row, 2))?.collect()
        })
        .await
}

/// How many incidents there are of each status and severity.
pub(crate) async fn counts(readers: &Readers) -> Result<Vec<IncidentCount>, StoreError> {
    let read = |row: &Row<'_>| {
        let count = u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default();
        Ok(IncidentCount { status: state(row, 0)?, severity: state(row, 1)?, count })
    };
    readers
        .read("count incidents", move |connection| {
            connection.prepare_cached(sql::COUNTS)?.query_map([], read)?.collect()
        })
        .await
}

/// A page of an incident's events.
pub(crate) async fn timeline(
    readers: &Readers,
    id: IncidentId,
    page: PageRequest,
) -> Result<Page<Event>, StoreError> {
    readers
        .read("read the timeline", move |connection| {
            let mut statement = connection.prepare_cached(sql::TIMELINE)?;
            let mut found = statement.query(params![id.as_i64(), above(page), rows(page)])?;
            let mut pager = Pager::new(page);
            while let Some(row) = found.next()? {
                pager.push(row.get(0)?, decode(row, 1)?);
            }
            Ok(pager.finish())
        })
        .await
}

/// Events of all incidents above a position, in the order of their commits.
pub(crate) async fn events_after(
    readers: &Readers,
    position: Cursor,
    limit: u32,
) -> Result<Vec<Committed>, StoreError> {
    readers
        .read("read events", move |connection| {
            let mut statement = connection.prepare_cached(sql::EVENTS_AFTER)?;
            let committed =
                |row: &Row<'_>| Ok(Committed { position: Cursor(row.get(0)?), event: decode(row, 1)? });
            statement.query_map(params![position.0, limit], committed)?.collect()
        })
        .await
}

/// Where the event that was committed last stands.
pub(crate) async fn last_position(readers: &Readers) -> Result<Cursor, StoreError> {
    readers
        .read("read the last event's position", |connection| {
            connection.prepare_cached(sql::LAST_POSITION)?.query_row([], |row| row.get(0)).map(Cursor)
        })
        .await
}

/// A page of an incident's alerts.
pub(crate) async fn alerts_of(
    readers: &Readers,
    id: IncidentId,
    page: PageRequest,
) -> Result<Page<Alert>, StoreError> {
    readers
        .read("read the incident's alerts", move |connection| {
            let mut statement = connection.prepare_cached(sql::ALERTS_OF_INCIDENT)?;
            let mut found = statement.query(params![id.as_i64(), below(page), rows(page)])?;
            let mut pager = Pager::new(page);
            while let Some(row) = found.next()? {
                pager.push(row.get(0)?, decode(row, 1)?);
            }
            Ok(pager.finish())
        })
        .await
}
