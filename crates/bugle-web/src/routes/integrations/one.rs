//! `GET`, `PATCH` and `DELETE /api/v1/integrations/{id}`.

use axum::{Json, extract::State};
use bugle_engine::config::IntegrationPatch;
use bugle_model::Scope;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::{MethodFilter, Route, view};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/integrations/{id}";
    let (read, admin) = (Access::Key(Scope::Read), Access::Key(Scope::Admin));
    let delete_summary = "Deletes an integration. Its receipts and incidents stay.";
    vec![
        Route::new(MethodFilter::GET, path, read, "get_integration", "One integration.", get)
            .answers(200, "Integration"),
        Route::new(MethodFilter::PATCH, path, admin, "change_integration", "Changes what is given.", patch)
            .reads("IntegrationPatch")
            .answers(200, "Integration"),
        Route::new(MethodFilter::DELETE, path, admin, "delete_integration", delete_summary, delete)
            .answers_nothing(),
    ]
}

async fn get(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let integration = app.engine.integration(&id)?;
    Ok(Json(view(&app, &headers, &integration)))
}

async fn patch(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    headers: HeaderMap,
    JsonBody(patch): JsonBody<IntegrationPatch>,
) -> Result<Json<Value>, ApiError> {
    let integration = app.engine.patch_integration(&id, patch).await?;
    Ok(Json(view(&app, &headers, &integration)))
}

async fn delete(State(app): State<App>, PathOf(id): PathOf<String>) -> Result<StatusCode, ApiError> {
    app.engine.delete_integration(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
