//! Incidents, their alerts and their timelines. How they are filtered is in `filter`.

use std::collections::BTreeMap;

use bugle_model::{Alert, Cursor, Event, Incident, IncidentId, IntegrationId, Page, id::Id};
use bugle_store::{Committed, IncidentCount, PageRequest, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use crate::{
    codec::{Code, decode, state},
    document::{Document, read_alert, read_incident},
    page::{Pager, above, below, rows},
    readers::Readers,
    sql::incidents as sql,
    tally::Tally,
    words,
    writer::Abort,
};

/// An incident with its document and its words written, so that the writer does not have to.
pub(crate) struct WrittenIncident {
    incident: Incident,
    words: String,
    words_hash: i64,
    document: Document,
}

impl WrittenIncident {
    pub(crate) fn new(incident: Incident, document: Document) -> Self {
        let text = words::text_of(&incident);
        Self { words_hash: words::hash(&text), words: words::entries(&text), document, incident }
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

impl Facts {
    fn count_key(&self) -> [i64; 2] {
        [self.status, self.severity]
    }
}

/// What the text index needs to learn of an incident that was stored.
pub(crate) enum Words {
    New,
    Changed,
    Same,
}

/// Stores an incident whose stored revision is the one before it. Its words are not indexed by this.
pub(crate) fn store(
    connection: &Connection,
    written: &WrittenIncident,
    counts: &mut Tally<2>,
) -> Result<Words, Abort> {
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
        counts.count(now.count_key(), 1);
        return Ok(Words::New);
    }
    let stored: Option<(u32, Facts)> =
        connection.prepare_cached(sql::FACTS)?.query_row([id], read_facts).optional()?;
    let Some((_, before)) = stored.filter(|(revision, _)| *revision == incident.revision - 1) else {
        return Err(Abort::Conflict);
    };
    if before == now {
        let values = params![id, incident.revision, written.document.own, written.document.event_id];
        connection.prepare_cached(sql::TOUCH)?.execute(values)?;
        return Ok(Words::Same);
    }
    write_whole(connection, sql::UPDATE, written, &now)?;
    counts.count(before.count_key(), -1);
    counts.count(now.count_key(), 1);
    Ok(if before.words_hash == now.words_hash { Words::Same } else { Words::Changed })
}

/// Indexes the words of an incident.
pub(crate) fn index(
    connection: &Connection,
    written: &WrittenIncident,
    words: &Words,
) -> rusqlite::Result<()> {
    let id = written.incident.id.as_i64();
    if let Words::Changed = words {
        connection.prepare_cached(sql::WORDS_DELETE)?.execute([id])?;
    }
    if let Words::New | Words::Changed = words {
        connection.prepare_cached(sql::WORDS_INSERT)?.execute(params![id, written.words])?;
    }
    Ok(())
}

/// Indexes the words of all incidents, in an index that has none.
pub(crate) fn index_all(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql::EVERY)?;
    let mut rows = statement.query([i64::MIN])?;
    while let Some(row) = rows.next()? {
        let words = words::entries(&words::text_of(&read_incident(row, 1)?));
        connection.prepare_cached(sql::WORDS_INSERT)?.execute(params![row.get::<_, i64>(0)?, words])?;
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
        written.document.own,
        written.document.event_id,
        facts.status,
        facts.severity,
        facts.owner,
        facts.platform,
        facts.grouping_key,
        facts.resolved_at,
        facts.words_hash,
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
pub(crate) fn store_alert(
    connection: &Connection,
    alert: &Alert,
    document: &Document,
) -> rusqlite::Result<()> {
    let id = alert.id.as_i64();
    let incident = alert.incident_id.map(Id::as_i64);
    let Document { own, event_id } = document;
    let stored: Option<Option<i64>> =
        connection.prepare_cached(sql::ALERT_KEYS)?.query_row([id], |row| row.get(0)).optional()?;
    match stored {
        None => {
            let integration = alert.integration_id.as_i64();
            let values = params![id, own, event_id, integration, alert.fingerprint, incident];
            connection.prepare_cached(sql::ALERT_INSERT)?.execute(values)?;
        }
        Some(before) if before == incident => {
            connection.prepare_cached(sql::ALERT_TOUCH)?.execute(params![id, own, event_id])?;
        }
        Some(_) => {
            connection.prepare_cached(sql::ALERT_MOVE)?.execute(params![id, own, event_id, incident])?;
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
                alerts.extend(statement.query_row(key, |row| read_alert(row, 0)).optional()?);
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
            for id in ids {
                if let Some(incident) = one_of(connection, sql::ONE, params![id.as_i64()])? {
                    found.insert(incident.id, incident);
                }
            }
            for key in grouping_keys {
                let mut incident = one_of(connection, sql::UNRESOLVED_OF_KEY, params![key])?;
                if incident.is_none() {
                    incident = one_of(connection, sql::RESOLVED_LAST_OF_KEY, params![key])?;
                }
                found.extend(incident.map(|incident| (incident.id, incident)));
            }
            Ok(found.into_values().collect())
        })
        .await
}

pub(crate) fn one_of(
    connection: &Connection,
    statement: &str,
    key: &[&dyn ToSql],
) -> rusqlite::Result<Option<Incident>> {
    connection.prepare_cached(statement)?.query_row(key, |row| read_incident(row, 0)).optional()
}

/// One incident.
pub(crate) async fn one(readers: &Readers, id: IncidentId) -> Result<Option<Incident>, StoreError> {
    readers
        .read("read the incident", move |connection| one_of(connection, sql::ONE, params![id.as_i64()]))
        .await
}

/// Incidents that nobody has taken: the worst first, and of those the newest.
pub(crate) async fn worst_open(readers: &Readers, limit: u32) -> Result<Vec<Incident>, StoreError> {
    readers
        .read("read the worst incidents", move |connection| {
            let mut statement = connection.prepare_cached(sql::WORST_OPEN)?;
            statement.query_map([limit], |row| read_incident(row, 2))?.collect()
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

/// The events that were committed last, newest first.
pub(crate) async fn latest_events(readers: &Readers, limit: u32) -> Result<Vec<Event>, StoreError> {
    readers
        .read("read the latest events", move |connection| {
            let mut statement = connection.prepare_cached(sql::EVENTS_LATEST)?;
            statement.query_map([limit], |row| decode(row, 0))?.collect()
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
                pager.push(row.get(0)?, read_alert(row, 1)?);
            }
            Ok(pager.finish())
        })
        .await
}
