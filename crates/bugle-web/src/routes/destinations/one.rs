//! `GET`, `PATCH` and `DELETE /api/v1/destinations/{id}`.

use axum::{Json, extract::State};
use bugle_engine::config::DestinationPatch;
use bugle_model::Scope;
use http::StatusCode;
use serde_json::Value;

use super::{MethodFilter, Route, shown, view};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/destinations/{id}";
    let (read, admin) = (Access::Key(Scope::Read), Access::Key(Scope::Admin));
    let delete_summary = "Deletes a destination. What it was not sent yet is never sent.";
    vec![
        Route::new(MethodFilter::GET, path, read, "get_destination", "One destination.", get)
            .answers(200, "Destination"),
        Route::new(MethodFilter::PATCH, path, admin, "change_destination", "Changes what is given.", patch)
            .reads("DestinationPatch")
            .answers(200, "Destination"),
        Route::new(MethodFilter::DELETE, path, admin, "delete_destination", delete_summary, delete)
            .answers_nothing(),
    ]
}

async fn get(State(app): State<App>, PathOf(id): PathOf<String>) -> Result<Json<Value>, ApiError> {
    let (destination, circuit) = app.engine.destination(&id)?;
    Ok(Json(view(&app, &destination, circuit)))
}

async fn patch(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(patch): JsonBody<DestinationPatch>,
) -> Result<Json<Value>, ApiError> {
    let (_, circuit) = app.engine.destination(&id)?;
    let patch = restored(&app, &id, patch)?;
    let destination = app.engine.patch_destination(&id, patch).await?;
    Ok(Json(view(&app, &destination, circuit)))
}

/// The change with what an answer had hidden put back.
pub(super) fn restored(
    app: &App,
    id: &str,
    mut patch: DestinationPatch,
) -> Result<DestinationPatch, ApiError> {
    let (known, _) = app.engine.destination(id)?;
    if let Some(headers) = &mut patch.headers {
        shown::restore(headers, &known)?;
    }
    patch.url = shown::restore_url(patch.url.take(), &known)?;
    Ok(patch)
}

async fn delete(State(app): State<App>, PathOf(id): PathOf<String>) -> Result<StatusCode, ApiError> {
    app.engine.delete_destination(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
