//! `GET /`: the first page for a browser; for a program, what this is.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::request::Parts;
use serde_json::{Value, json};

use super::{MethodFilter, Route};
use crate::{access::Access, app::App, ui};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            MethodFilter::GET,
            "/",
            Access::Open,
            "describe",
            "What this is, and where its API is.",
            answer,
        )
        .any_query()
        .answers(200, "Description"),
    ]
}

async fn answer(State(app): State<App>, head: Parts) -> Response {
    if ui::wants_html(&head.headers) { ui::home(app, &head).await } else { describe().into_response() }
}

fn describe() -> Json<Value> {
    Json(json!({
        "name": "bugle",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "A hub for alert webhooks: takes them in, makes incidents of them, and sends each change on.",
        "api": "/api/v1",
        "openapi": "/api/v1/openapi.json",
        "health": "/api/v1/webhooks/health",
    }))
}
