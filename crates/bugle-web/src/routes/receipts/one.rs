//! `GET /api/v1/receipts/{id}`.

use axum::{Json, extract::State};
use bugle_model::Scope;
use serde_json::Value;

use super::{MethodFilter, Route, shown};
use crate::{access::Access, app::App, error::ApiError, input::PathOf};

pub(super) fn routes() -> Vec<Route> {
    let summary = "One receipt: headers, body, the verdict on its sender, and what its signals did.";
    let access = Access::Key(Scope::Read);
    vec![
        Route::new(MethodFilter::GET, "/api/v1/receipts/{id}", access, "get_receipt", summary, get)
            .answers(200, "Receipt"),
    ]
}

async fn get(State(app): State<App>, PathOf(id): PathOf<String>) -> Result<Json<Value>, ApiError> {
    shown::load(&app, &id).await
}
