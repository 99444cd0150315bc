//! `GET /api/v1/deliveries/{id}`.

use axum::{Json, extract::State};
use bugle_model::{Attempt, Delivery, DeliveryId, Scope};
use serde::Serialize;

use super::{MethodFilter, Route};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{self, PathOf},
};

/// A delivery with its attempts beside their number.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    delivery: Delivery,
    attempt_log: Vec<Attempt>,
}

pub(super) fn routes() -> Vec<Route> {
    let summary = "One delivery with every attempt: request, response and timing.";
    let access = Access::Key(Scope::Read);
    vec![
        Route::new(MethodFilter::GET, "/api/v1/deliveries/{id}", access, "get_delivery", summary, get)
            .answers(200, "DeliveryWithAttempts"),
    ]
}

async fn get(State(app): State<App>, PathOf(text): PathOf<String>) -> Result<Json<Shown>, ApiError> {
    let id: DeliveryId = input::id("delivery", &text)?;
    let found = app.store().delivery(id).await?;
    let (delivery, attempt_log) = found.ok_or_else(|| ApiError::not_found("delivery", &text))?;
    Ok(Json(Shown { delivery, attempt_log }))
}
