//! `DELETE /api/v1/api-keys/{id}`.

use axum::extract::State;
use bugle_model::Scope;
use http::StatusCode;

use super::{MethodFilter, Route};
use crate::{access::Access, app::App, error::ApiError, input::PathOf};

pub(super) fn routes() -> Vec<Route> {
    let summary = "Deletes an API key. The last admin key stays.";
    let access = Access::Key(Scope::Admin);
    vec![
        Route::new(MethodFilter::DELETE, "/api/v1/api-keys/{id}", access, "delete_api_key", summary, delete)
            .answers_nothing(),
    ]
}

async fn delete(State(app): State<App>, PathOf(id): PathOf<String>) -> Result<StatusCode, ApiError> {
    app.engine.delete_api_key(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
