//! `POST /api/v1/incidents/{id}/resolve`.

use axum::{Json, extract::State};
use bugle_model::{Incident, IncidentStatus, lifecycle::Action};
use serde::Deserialize;

use super::{MethodFilter, OPERATE, Route, act, bounded};
use crate::{
    access::Caller,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resolution {
    /// One of the four resolutions.
    resolution: IncidentStatus,
    /// Why.
    comment: Option<String>,
}

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/resolve";
    let summary = "Ends the incident with one of the four resolutions.";
    vec![
        Route::new(MethodFilter::POST, path, OPERATE, "resolve_incident", summary, resolve)
            .reads("Resolution")
            .answers(200, "Incident"),
    ]
}

async fn resolve(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    caller: Caller,
    JsonBody(Resolution { resolution, comment }): JsonBody<Resolution>,
) -> Result<Json<Incident>, ApiError> {
    act(&app, &id, &caller, Action::Resolve { resolution, comment: comment.map(bounded).transpose()? }).await
}
