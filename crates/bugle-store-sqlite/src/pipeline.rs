//! Committing one step of the pipeline, or one action on an incident: whole or not at all.

use std::sync::Arc;

use bugle_model::{Alert, Event};
use bugle_store::{CommitError, NewDelivery, ReceiptOutcome, Step, StoreError};
use rusqlite::{Connection, ErrorCode, ffi, params, types::Value};

use crate::{
    codec::{Packer, encode},
    deliveries,
    document::{Document, LastEvents},
    fresh::{Filed, Fresh},
    incidents::{self, WrittenIncident},
    receipts,
    sql::incidents as sql,
    tally::Tally,
    writer::{Abort, Shield, Writer},
};

/// A step with its documents written, so that the writer does not have to.
struct WrittenStep {
    at_ms: i64,
    receipts: Vec<(ReceiptOutcome, String)>,
    alerts: Vec<(Alert, Document)>,
    incidents: Vec<WrittenIncident>,
    events: Vec<(EventKey, Value)>,
    deliveries: Vec<NewDelivery>,
}

struct EventKey {
    id: i64,
    incident_id: i64,
    sequence: u32,
}

/// Commits a step.
pub(crate) async fn commit(writer: &Writer, fresh: &Arc<Fresh>, step: Step) -> Result<(), CommitError> {
    const DOING: &str = "commit the step";
    let step = WrittenStep::new(step).map_err(|error| StoreError::new(DOING, error))?;
    let (before, after) = (Arc::clone(fresh), Arc::clone(fresh));
    let work = move |connection: &Connection| step.write(connection, &before).map_err(conflict);
    let on_commit = move |filed: &Filed| after.filed(filed);
    Ok(writer.write_then(DOING, Shield::Savepoint, work, on_commit).await.map(drop)?)
}

impl WrittenStep {
    fn new(step: Step) -> rusqlite::Result<Self> {
        let event_key = |event: &Event| EventKey {
            id: event.id.as_i64(),
            incident_id: event.incident_id.as_i64(),
            sequence: event.sequence,
        };
        let mut packer = Packer::default();
        let last = LastEvents::new(&step.events);
        Ok(Self {
            at_ms: step.at.as_millis(),
            receipts: step
                .receipts
                .into_iter()
                .map(|outcome| {
                    Ok((encode(&outcome.signals)?, outcome)).map(|(text, outcome)| (outcome, text))
                })
                .collect::<rusqlite::Result<_>>()?,
            alerts: step
                .alerts
                .into_iter()
                .map(|alert| last.alert(&alert, &mut packer).map(|document| (alert, document)))
                .collect::<Result<_, _>>()?,
            incidents: step
                .incidents
                .into_iter()
                .map(|incident| {
                    let document = last.incident(&incident, &mut packer)?;
                    Ok(WrittenIncident::new(incident, document))
                })
                .collect::<rusqlite::Result<_>>()?,
            events: step
                .events
                .iter()
                .map(|event| Ok((event_key(event), packer.pack(event)?)))
                .collect::<rusqlite::Result<_>>()?,
            deliveries: step.deliveries,
        })
    }

    fn write(&self, connection: &Connection, fresh: &Fresh) -> Result<Filed, Abort> {
        // What may conflict comes first.
        let mut counts = Tally::of_incidents();
        let mut words = Vec::with_capacity(self.incidents.len());
        for incident in &self.incidents {
            words.push(incidents::store(connection, incident, &mut counts)?);
        }
        counts.store(connection)?;
        for (alert, document) in &self.alerts {
            incidents::store_alert(connection, alert, document)?;
        }
        let mut insert = connection.prepare_cached(sql::EVENT_INSERT)?;
        for (key, document) in &self.events {
            insert.execute(params![key.id, key.incident_id, key.sequence, document])?;
        }
        deliveries::insert(connection, &self.deliveries, self.at_ms)?;
        let filed = receipts::record(connection, fresh, &self.receipts)?;
        // Last and in a row: between other writes the text index would write to its pages for each incident.
        for (incident, words) in self.incidents.iter().zip(&words) {
            incidents::index(connection, incident, words)?;
        }
        Ok(filed)
    }
}

/// A key that is taken means that somebody else was there first; any other refusal is the database's.
fn conflict(abort: Abort) -> Abort {
    match abort {
        Abort::Database(rusqlite::Error::SqliteFailure(failure, _))
            if failure.code == ErrorCode::ConstraintViolation
                && matches!(
                    failure.extended_code,
                    ffi::SQLITE_CONSTRAINT_UNIQUE
                        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                        | ffi::SQLITE_CONSTRAINT_ROWID
                ) =>
        {
            Abort::Conflict
        }
        other => other,
    }
}
