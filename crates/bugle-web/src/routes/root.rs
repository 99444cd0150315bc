//! `GET /`: says what this is, to who finds it by accident.

use axum::Json;
use serde_json::{Value, json};

use super::{MethodFilter, Route};
use crate::access::Access;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            MethodFilter::GET,
            "/",
            Access::Open,
            "describe",
            "What this is, and where its API is.",
            describe,
        )
        .any_query()
        .answers(200, "Description"),
    ]
}

async fn describe() -> Json<Value> {
    Json(json!({
        "name": "bugle",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "A hub for alert webhooks: takes them in, makes incidents of them, and sends each change on.",
        "api": "/api/v1",
        "openapi": "/api/v1/openapi.json",
        "health": "/api/v1/webhooks/health",
    }))
}
