//! `POST /api/v1/destinations/{id}/enable`: lets a disabled destination work again.

use axum::{Json, extract::State};
use bugle_model::{Circuit, Scope};
use serde_json::Value;

use super::{MethodFilter, Route, view};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, NoFields, PathOf},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/destinations/{id}/enable";
    let summary = "Lets a disabled destination work again, with a closed circuit. What waited is sent.";
    vec![
        Route::new(
            MethodFilter::POST,
            path,
            Access::Key(Scope::Admin),
            "enable_destination",
            summary,
            enable,
        )
        .reads("NoFields")
        .answers(200, "Destination"),
    ]
}

async fn enable(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(NoFields {}): JsonBody<NoFields>,
) -> Result<Json<Value>, ApiError> {
    let destination = app.engine.enable_destination(&id).await?;
    Ok(Json(view(&app, &destination, Circuit::default())))
}
