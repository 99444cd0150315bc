//! `POST /api/v1/incidents/{id}/acknowledge`.

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
    let path = "/api/v1/incidents/{id}/acknowledge";
    let summary = "Says that somebody investigates. An incident that is over is refused.";
    vec![
        Route::new(MethodFilter::POST, path, OPERATE, "acknowledge_incident", summary, acknowledge)
            .reads("NoFields")
            .answers(200, "Incident"),
    ]
}

async fn acknowledge(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    caller: Caller,
    JsonBody(NoFields {}): JsonBody<NoFields>,
) -> Result<Json<Incident>, ApiError> {
    act(&app, &id, &caller, Action::Acknowledge).await
}
