//! `GET /api/v1/incidents/{id}/routing`: which destinations get an event of an incident, and why the others do not.

use axum::{Json, extract::State};
use bugle_engine::routing::Route as Outcome;
use bugle_model::{Circuit, Cursor, Delivery, Event, EventId, EventKind, Incident, Timestamp};
use bugle_store::{DeliveryFilter, PageRequest};
use serde::Serialize;

use super::{MethodFilter, Param, READ, Route, existing};
use crate::{
    app::App,
    error::ApiError,
    input::{PathOf, Query},
};

const SEQUENCE: Param =
    Param { name: "sequence", doc: "The event's number on the timeline; the latest one unless given." };

/// Deliveries of the incident that are looked through for those of the event.
const DELIVERIES_LOOKED_AT: u32 = 200;

/// What became and would become of an event at each destination.
#[derive(Debug, Serialize)]
pub(crate) struct Routing {
    pub(crate) event: RoutedEvent,
    pub(crate) data: Vec<Routed>,
    /// The incident as it is now.
    #[serde(skip)]
    pub(crate) incident: Incident,
    /// The incident as of the event.
    #[serde(skip)]
    pub(crate) was: Incident,
}

/// The event that is asked about.
#[derive(Debug, Serialize)]
pub(crate) struct RoutedEvent {
    pub(crate) id: EventId,
    pub(crate) sequence: u32,
    pub(crate) kind: EventKind,
    pub(crate) at: Timestamp,
}

/// One destination.
#[derive(Debug, Serialize)]
pub(crate) struct Routed {
    pub(crate) destination_id: String,
    pub(crate) name: String,
    pub(crate) dialect: String,
    pub(crate) enabled: bool,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) circuit_state: Circuit,
    /// What would become of it as everything is configured now.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// What really became of it.
    pub(crate) delivery: Option<Delivery>,
}

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/routing";
    let summary = "Which destinations get an event of an incident as they are configured now, why the others do not, and what really became of it.";
    vec![
        Route::new(MethodFilter::GET, path, READ, "get_routing", summary, get)
            .query(&[SEQUENCE])
            .answers(200, "Routing"),
    ]
}

async fn get(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    query: Query,
) -> Result<Json<Routing>, ApiError> {
    Ok(Json(routing(&app, &id, sequence(&query)?).await?))
}

/// The number of the event that a query asks for.
pub(crate) fn sequence(query: &Query) -> Result<Option<u32>, ApiError> {
    let parsed = query.one("sequence").map(str::parse).transpose();
    parsed.map_err(|_| {
        ApiError::parameter("sequence", "`sequence` is an event's number on the timeline: 1, 2, 3, ...")
    })
}

/// Explains an event of an incident: the one with this number, or the latest. Three queries.
pub(crate) async fn routing(app: &App, id: &str, sequence: Option<u32>) -> Result<Routing, ApiError> {
    let incident = existing(app, id).await?;
    let event = event(app, &incident, sequence.unwrap_or(incident.sequence)).await?;
    let filter = DeliveryFilter { incident_id: Some(incident.id), ..DeliveryFilter::default() };
    let page = PageRequest { cursor: None, limit: DELIVERIES_LOOKED_AT };
    let deliveries = app.store().deliveries(filter, page).await?.data;
    let explained = app.engine.explain(&event).into_iter().map(|one| {
        let found = |delivery: &&Delivery| {
            delivery.event_id == event.id && delivery.destination_id == one.destination.id
        };
        Routed {
            destination_id: one.destination.id.to_string(),
            name: one.destination.name.clone(),
            dialect: one.destination.dialect.clone(),
            enabled: one.destination.enabled,
            disabled_reason: one.destination.disabled_reason.clone(),
            circuit_state: one.circuit,
            outcome: one.route,
            delivery: deliveries.iter().find(found).cloned(),
        }
    });
    let data = explained.collect();
    let Event { id, sequence, kind, at, incident: was, .. } = event;
    Ok(Routing { event: RoutedEvent { id, sequence, kind, at }, data, incident, was })
}

async fn event(app: &App, incident: &Incident, sequence: u32) -> Result<Event, ApiError> {
    let before = Cursor(i64::from(sequence) - 1);
    let page = PageRequest { cursor: Some(before), limit: 1 };
    let found = app.store().timeline(incident.id, page).await?.data;
    let event = found.into_iter().find(|event| event.sequence == sequence);
    event.ok_or_else(|| {
        let message = format!("this incident has events 1 to {}", incident.sequence);
        ApiError::parameter("sequence", message)
    })
}
