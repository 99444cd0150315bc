//! `POST` and `DELETE /api/v1/incidents/{id}/severity`.

use axum::{Json, extract::State};
use bugle_model::{Incident, incident::DeclaredSeverity, lifecycle::Action};
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
struct NewSeverity {
    severity: DeclaredSeverity,
}

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/severity";
    vec![
        Route::new(MethodFilter::POST, path, OPERATE, "declare_severity", "Declares how bad it is.", declare)
            .reads("NewSeverity")
            .answers(200, "Incident"),
        Route::new(MethodFilter::DELETE, path, OPERATE, "clear_severity", "Takes that back.", clear)
            .answers(200, "Incident"),
    ]
}

async fn declare(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    caller: Caller,
    JsonBody(NewSeverity { severity }): JsonBody<NewSeverity>,
) -> Result<Json<Incident>, ApiError> {
    act(&app, &id, &caller, Action::DeclareSeverity(severity)).await
}

async fn clear(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    caller: Caller,
) -> Result<Json<Incident>, ApiError> {
    act(&app, &id, &caller, Action::ClearSeverity).await
}
