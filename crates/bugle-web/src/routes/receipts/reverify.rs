//! `POST /api/v1/receipts/{id}/reverify`.

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
    let path = "/api/v1/receipts/{id}/reverify";
    let summary =
        "Verifies a receipt again with the secrets of now, and releases it from quarantine when it holds.";
    let operate = Access::Key(Scope::Operate);
    vec![
        Route::new(MethodFilter::POST, path, operate, "reverify_receipt", summary, reverify)
            .reads("NoFields")
            .answers(200, "Receipt"),
    ]
}

async fn reverify(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(NoFields {}): JsonBody<NoFields>,
) -> Result<Json<Value>, ApiError> {
    app.engine.reverify(input::id("receipt", &id)?).await?;
    shown::load(&app, &id).await
}
