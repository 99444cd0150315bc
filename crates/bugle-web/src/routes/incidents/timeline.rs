//! `GET /api/v1/incidents/{id}/timeline`.

use axum::{Json, extract::State};
use bugle_model::{Event, Page};
use serde_json::{Value, json};

use super::{MethodFilter, PAGED, READ, Route, existing};
use crate::{
    app::App,
    error::ApiError,
    input::{PathOf, Query},
    routes::values,
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/timeline";
    vec![
        Route::new(
            MethodFilter::GET,
            path,
            READ,
            "get_timeline",
            "An incident's events, oldest first.",
            list,
        )
        .query(PAGED)
        .answers(200, "EventPage"),
    ]
}

async fn list(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    query: Query,
) -> Result<Json<Page<Value>>, ApiError> {
    let page = query.page()?;
    let incident = existing(&app, &id).await?;
    Ok(values(app.store().timeline(incident.id, page).await?, |event| view(&event)))
}

/// An event without its snapshots, which would repeat the whole incident on every line.
pub(in crate::routes) fn view(event: &Event) -> Value {
    json!({
        "id": event.id,
        "incident_id": event.incident_id,
        "sequence": event.sequence,
        "kind": event.kind,
        "at": event.at,
        "actor": event.actor,
        "changes": event.changes,
        "comment": event.comment,
        "alert_id": event.alert_id,
    })
}
