//! `POST /api/v1/destinations/{id}/secrets`: adds a secret to sign with, so that the receiver can change over in peace.

use axum::{Json, extract::State};
use bugle_model::Scope;
use http::StatusCode;
use serde_json::Value;

use super::{MethodFilter, Route};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
    routes::integrations::{NewSecret, secret_created},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/destinations/{id}/secrets";
    let summary = "Adds a secret; both sign until the old ones end after `overlap_seconds`.";
    vec![
        Route::new(
            MethodFilter::POST,
            path,
            Access::Key(Scope::Admin),
            "add_destination_secret",
            summary,
            add,
        )
        .reads("NewSecret")
        .answers(201, "SecretCreated"),
    ]
}

async fn add(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(new): JsonBody<NewSecret>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let overlap = new.overlap()?;
    let (_, secret) = app.engine.add_destination_secret(&id, new.secret, overlap).await?;
    Ok((StatusCode::CREATED, Json(secret_created(&secret))))
}
