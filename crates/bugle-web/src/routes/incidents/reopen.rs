//! `POST /api/v1/incidents/{id}/reopen`.

use axum::{Json, extract::State};
use bugle_model::{Incident, lifecycle::Action};

use super::{MethodFilter, OPERATE, Route, act};
use crate::{
    access::Caller,
    app::App,
    error::ApiError,
    input::{JsonBody, NoFields, PathOf},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/reopen";
    let summary = "Says that it is not over after all.";
    vec![
        Route::new(MethodFilter::POST, path, OPERATE, "reopen_incident", summary, reopen)
            .reads("NoFields")
            .answers(200, "Incident"),
    ]
}

async fn reopen(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    caller: Caller,
    JsonBody(NoFields {}): JsonBody<NoFields>,
) -> Result<Json<Incident>, ApiError> {
    act(&app, &id, &caller, Action::Reopen).await
}
