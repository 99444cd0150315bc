//! `GET /api/v1/destinations/{id}/health`: what waits for a destination, and how its circuit is and was.

use axum::{Json, extract::State};
use bugle_model::Scope;
use serde_json::{Value, json};

use super::{MethodFilter, Route};
use crate::{access::Access, app::App, error::ApiError, input::PathOf};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/destinations/{id}/health";
    let summary =
        "What waits for a destination, its circuit, and how that changed since this process started.";
    let access = Access::Key(Scope::Read);
    vec![
        Route::new(MethodFilter::GET, path, access, "get_destination_health", summary, health)
            .answers(200, "DestinationHealth"),
    ]
}

async fn health(State(app): State<App>, PathOf(id): PathOf<String>) -> Result<Json<Value>, ApiError> {
    let (destination, circuit) = app.engine.destination(&id)?;
    let backlogs = app.store().backlog().await?;
    let backlog = backlogs.iter().find(|backlog| backlog.destination_id == destination.id);
    Ok(Json(json!({
        "enabled": destination.enabled,
        "circuit_state": circuit,
        "circuit_changes": app.engine.circuit_changes(destination.id),
        "waiting": backlog.map_or(0, |backlog| backlog.unsettled),
        "oldest_waiting_since": backlog.and_then(|backlog| backlog.oldest),
    })))
}
