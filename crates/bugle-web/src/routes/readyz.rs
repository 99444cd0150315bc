//! `GET /readyz`: whether calls can be made durable now.

use std::time::Duration;

use axum::{Json, extract::State};
use http::StatusCode;
use serde_json::{Value, json};

use super::{MethodFilter, Route};
use crate::{access::Access, app::App, error::ApiError};

/// A store that does not answer for this long is not ready, whatever it says later.
const READY_TIME_MAX: Duration = Duration::from_secs(3);

pub(super) fn routes() -> Vec<Route> {
    let summary = "Whether calls can be made durable now.";
    vec![
        Route::new(MethodFilter::GET, "/readyz", Access::Open, "ready", summary, ready)
            .any_query()
            .answers(200, "Status"),
    ]
}

async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let checked = tokio::time::timeout(READY_TIME_MAX, app.engine.ready()).await;
    match checked.unwrap_or_else(|_| Err("the store does not answer".into())) {
        Ok(()) => Ok(Json(json!({"status": "ready"}))),
        Err(why) => Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY", why)),
    }
}
