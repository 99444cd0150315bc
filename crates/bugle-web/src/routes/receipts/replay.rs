//! `POST /api/v1/receipts/{id}/replay`.

use axum::{Json, extract::State};
use bugle_model::Scope;
use serde_json::Value;

use super::{MethodFilter, Route, shown};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{self, JsonBody, NoFields, PathOf},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/receipts/{id}/replay";
    let summary = "Puts a receipt before the pipeline again, as it was verified when it came.";
    vec![
        Route::new(MethodFilter::POST, path, Access::Key(Scope::Operate), "replay_receipt", summary, replay)
            .reads("NoFields")
            .answers(200, "Receipt"),
    ]
}

async fn replay(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(NoFields {}): JsonBody<NoFields>,
) -> Result<Json<Value>, ApiError> {
    app.engine.replay(input::id("receipt", &id)?).await?;
    shown::load(&app, &id).await
}
