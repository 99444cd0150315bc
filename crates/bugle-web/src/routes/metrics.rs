//! `GET /metrics`: counters and gauges for Prometheus.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;

use super::{MethodFilter, Route};
use crate::{access::Access, app::App, error::ApiError};

/// The format that the text follows.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> Vec<Route> {
    let summary = "Counters and gauges, as Prometheus reads them.";
    vec![Route::new(MethodFilter::GET, "/metrics", Access::Metrics, "metrics", summary, metrics).any_query()]
}

async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    let text = app.engine.metrics_text().await?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
