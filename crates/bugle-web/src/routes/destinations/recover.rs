//! `POST /api/v1/destinations/{id}/recover`: sends again what was given up on.

use axum::{Json, extract::State};
use bugle_model::{Scope, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{MethodFilter, Route};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
};

/// What to send again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recovery {
    /// Only deliveries created at or after this moment; all of them without it.
    since: Option<Timestamp>,
}

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/destinations/{id}/recover";
    let summary = "Sends the dead deliveries again, those created since `since`.";
    vec![
        Route::new(
            MethodFilter::POST,
            path,
            Access::Key(Scope::Operate),
            "recover_destination",
            summary,
            recover,
        )
        .reads("Recovery")
        .answers(200, "Recovered"),
    ]
}

async fn recover(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(recovery): JsonBody<Recovery>,
) -> Result<Json<Value>, ApiError> {
    let since = recovery.since.unwrap_or_default();
    let recovered = app.engine.recover_destination(&id, since).await?;
    Ok(Json(json!({"recovered": recovered})))
}
