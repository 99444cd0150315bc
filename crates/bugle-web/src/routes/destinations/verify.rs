//! `POST /api/v1/destinations/{id}/verify`: sends a sample event right now and answers with what happened.

use axum::{Json, extract::State};
use bugle_model::{Attempt, Scope};

use super::{MethodFilter, Route};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, NoFields, PathOf},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/destinations/{id}/verify";
    let summary = "Sends a sample `incident.created` right now and answers with the attempt.";
    vec![
        Route::new(
            MethodFilter::POST,
            path,
            Access::Key(Scope::Operate),
            "verify_destination",
            summary,
            verify,
        )
        .reads("NoFields")
        .answers(200, "Attempt"),
    ]
}

async fn verify(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(NoFields {}): JsonBody<NoFields>,
) -> Result<Json<Attempt>, ApiError> {
    Ok(Json(app.engine.verify_destination(&id).await?))
}
