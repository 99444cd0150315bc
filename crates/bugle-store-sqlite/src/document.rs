//! Where the document of an alert or an incident is: in its own row or, while it is as its latest event has it, in that event.
//!
//! Most alerts and incidents are as an event left them. Their text is then written once and not three times.

use std::collections::HashMap;

use bugle_model::{Alert, AlertId, Event, Incident, IncidentId};
use rusqlite::{Row, types::Value};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::codec::{Packer, decode, decode_or_none};

/// What is written into a row: a document of its own, or nothing and the event that holds it.
pub(crate) struct Document {
    pub(crate) own: Value,
    pub(crate) event_id: Option<i64>,
}

impl Document {
    pub(crate) fn own(document: &impl Serialize, packer: &mut Packer) -> rusqlite::Result<Self> {
        Ok(Self { own: packer.pack(document)?, event_id: None })
    }

    fn of(event: &Event) -> Self {
        Self { own: Value::Text(String::new()), event_id: Some(event.id.as_i64()) }
    }
}

/// The last event of a step for each incident and each alert.
pub(crate) struct LastEvents<'a> {
    of_incidents: HashMap<IncidentId, &'a Event>,
    of_alerts: HashMap<AlertId, (&'a Event, &'a Alert)>,
}

impl<'a> LastEvents<'a> {
    pub(crate) fn new(events: &'a [Event]) -> Self {
        let alert_of = |event: &'a Event| event.alert.as_deref().map(|alert| (alert.id, (event, alert)));
        Self {
            of_incidents: events.iter().map(|event| (event.incident_id, event)).collect(),
            of_alerts: events.iter().filter_map(alert_of).collect(),
        }
    }

    /// Where an incident's document goes.
    pub(crate) fn incident(&self, incident: &Incident, packer: &mut Packer) -> rusqlite::Result<Document> {
        match self.of_incidents.get(&incident.id) {
            Some(event) if event.incident == *incident => Ok(Document::of(event)),
            _ => Document::own(incident, packer),
        }
    }

    /// Where an alert's document goes. An event goes with its incident, so it must be on the timeline of the alert's own.
    pub(crate) fn alert(&self, alert: &Alert, packer: &mut Packer) -> rusqlite::Result<Document> {
        match self.of_alerts.get(&alert.id) {
            Some((event, held)) if *held == alert && Some(event.incident_id) == alert.incident_id => {
                Ok(Document::of(event))
            }
            _ => Document::own(alert, packer),
        }
    }
}

#[derive(Deserialize)]
struct AlertOfEvent {
    alert: Alert,
}

#[derive(Deserialize)]
struct IncidentOfEvent {
    incident: Incident,
}

/// Reads an alert whose own document is in `column`, and the event that may hold it in the next one.
pub(crate) fn read_alert(row: &Row<'_>, column: usize) -> rusqlite::Result<Alert> {
    read(row, column, |event: AlertOfEvent| event.alert)
}

/// Reads an incident whose own document is in `column`, and the event that may hold it in the next one.
pub(crate) fn read_incident(row: &Row<'_>, column: usize) -> rusqlite::Result<Incident> {
    read(row, column, |event: IncidentOfEvent| event.incident)
}

fn read<E: DeserializeOwned, T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
    held: impl FnOnce(E) -> T,
) -> rusqlite::Result<T> {
    match decode_or_none(row, column + 1)? {
        Some(event) => Ok(held(event)),
        None => decode(row, column),
    }
}
