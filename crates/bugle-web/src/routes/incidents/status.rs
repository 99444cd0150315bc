//! `POST /api/v1/incidents/{id}/status`.

use axum::{Json, extract::State};
use bugle_model::{Incident, IncidentStatus, lifecycle::Action};
use serde::Deserialize;

use super::{MethodFilter, OPERATE, Route, act};
use crate::{
    access::Caller,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewStatus {
    status: IncidentStatus,
}

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/status";
    let summary = "Gives the incident a status: any of them, the resolutions included.";
    vec![
        Route::new(MethodFilter::POST, path, OPERATE, "set_incident_status", summary, set_status)
            .reads("NewStatus")
            .answers(200, "Incident"),
    ]
}

async fn set_status(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    caller: Caller,
    JsonBody(NewStatus { status }): JsonBody<NewStatus>,
) -> Result<Json<Incident>, ApiError> {
    act(&app, &id, &caller, Action::SetStatus(status)).await
}
