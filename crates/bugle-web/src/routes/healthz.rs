//! `GET /healthz`: whether the process answers. Reads nothing, so that a slow database restarts no process.

use axum::Json;
use serde_json::{Value, json};

use super::{MethodFilter, Route};
use crate::access::Access;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            MethodFilter::GET,
            "/healthz",
            Access::Open,
            "alive",
            "Whether the process answers.",
            alive,
        )
        .any_query()
        .answers(200, "Status"),
    ]
}

async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}
