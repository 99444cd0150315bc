//! `POST /api/v1/integrations/{id}/release`: verifies its quarantine again and lets in what holds.

use axum::{Json, extract::State};
use bugle_engine::quarantine::Released;
use bugle_model::{ReceiptState, Scope};
use serde::Deserialize;

use super::{MethodFilter, Route};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    state: Option<Quarantined>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Quarantined {
    Rejected,
    Undecodable,
}

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/integrations/{id}/release";
    let summary = "Verifies every call in its quarantine again, the oldest first, and lets in what holds.";
    let operate = Access::Key(Scope::Operate);
    vec![
        Route::new(MethodFilter::POST, path, operate, "release_quarantine", summary, release)
            .reads("Release")
            .answers(200, "Released"),
    ]
}

async fn release(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(Release { state }): JsonBody<Release>,
) -> Result<Json<Released>, ApiError> {
    let integration = app.engine.integration(&id)?;
    let states: &[_] = match state {
        Some(Quarantined::Rejected) => &[ReceiptState::Rejected],
        Some(Quarantined::Undecodable) => &[ReceiptState::Undecodable],
        None => &[ReceiptState::Rejected, ReceiptState::Undecodable],
    };
    Ok(Json(app.engine.release_quarantine(integration.id, states).await?))
}
