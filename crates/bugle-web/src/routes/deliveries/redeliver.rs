//! `POST /api/v1/deliveries/{id}/redeliver`.

use axum::{Json, extract::State};
use bugle_model::{Delivery, Scope};

use super::{MethodFilter, Route};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{self, JsonBody, NoFields, PathOf},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/deliveries/{id}/redeliver";
    let summary = "Sends a settled delivery again, with a fresh retry budget and the same idempotency id.";
    vec![
        Route::new(MethodFilter::POST, path, Access::Key(Scope::Operate), "redeliver", summary, redeliver)
            .reads("NoFields")
            .answers(200, "Delivery"),
    ]
}

async fn redeliver(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(NoFields {}): JsonBody<NoFields>,
) -> Result<Json<Delivery>, ApiError> {
    Ok(Json(app.engine.redeliver(input::id("delivery", &id)?).await?))
}
