//! `GET /api/v1/overview`: how things stand, in one answer.

use axum::{Json, extract::State};
use bugle_engine::overview::Overview;
use bugle_model::Scope;

use super::{MethodFilter, Route};
use crate::{access::Access, app::App, error::ApiError};

pub(super) fn routes() -> Vec<Route> {
    let summary = "How things stand: what is open, what came in the last day, how each source and each destination does.";
    let access = Access::Key(Scope::Read);
    vec![
        Route::new(MethodFilter::GET, "/api/v1/overview", access, "overview", summary, overview)
            .answers(200, "Overview"),
    ]
}

async fn overview(State(app): State<App>) -> Result<Json<Overview>, ApiError> {
    Ok(Json(app.engine.overview().await?))
}
