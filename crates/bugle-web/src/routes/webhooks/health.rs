//! `GET /api/v1/webhooks/health`: how each platform's endpoint does, told from what really happened lately.

use axum::{Json, extract::State};
use bugle_engine::health::HealthReport;

use super::{MethodFilter, Route};
use crate::{access::Access, app::App};

pub(super) fn routes() -> Vec<Route> {
    let summary = "How each platform's endpoint does, from what really happened lately.";
    let path = "/api/v1/webhooks/health";
    vec![
        Route::new(MethodFilter::GET, path, Access::Open, "webhook_health", summary, health)
            .any_query()
            .answers(200, "WebhookHealth"),
    ]
}

async fn health(State(app): State<App>) -> Json<HealthReport> {
    Json(app.engine.health_report())
}
