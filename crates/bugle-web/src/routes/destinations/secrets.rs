//! `POST /api/v1/destinations/{id}/secrets`: adds a secret to sign with, so that the receiver can change over in peace.
//! `DELETE .../secrets/{secret_id}`: ends one at once.

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
    let summary = "Adds a secret; both sign, where the dialect can say so, until the old ones end after `overlap_seconds`, a day when that is not given.";
    let removal = "Ends one secret at once. Without any, requests go unsigned, where the dialect allows it.";
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
        Route::new(
            MethodFilter::DELETE,
            "/api/v1/destinations/{id}/secrets/{secret_id}",
            Access::Key(Scope::Admin),
            "remove_destination_secret",
            removal,
            remove,
        )
        .answers_nothing(),
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

async fn remove(
    State(app): State<App>,
    PathOf((id, secret_id)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.engine.remove_destination_secret(&id, &secret_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
