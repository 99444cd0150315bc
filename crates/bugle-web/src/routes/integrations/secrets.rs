//! `POST /api/v1/integrations/{id}/secrets`: adds a secret, so that the old one can be replaced without losing a call.

use std::time::Duration;

use axum::{Json, extract::State};
use bugle_engine::config::generate_secret;
use bugle_model::Scope;
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{MethodFilter, Route};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
};

/// Longest time that an old secret goes on beside a new one: thirty days.
const OVERLAP_SECONDS_MAX: u64 = 30 * 24 * 3600;

/// What a secret is added from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct NewSecret {
    /// Made when it is not given.
    pub(in crate::routes) secret: Option<SecretString>,
    overlap_seconds: Option<u64>,
}

impl NewSecret {
    /// For how long the old ones go on; for ever when not given.
    pub(in crate::routes) fn overlap(&self) -> Result<Option<Duration>, ApiError> {
        match self.overlap_seconds {
            Some(seconds) if seconds > OVERLAP_SECONDS_MAX => {
                let message = format!("`overlap_seconds` is at most {OVERLAP_SECONDS_MAX}: thirty days");
                Err(ApiError::field("overlap_seconds", message))
            }
            seconds => Ok(seconds.map(Duration::from_secs)),
        }
    }
}

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/integrations/{id}/secrets";
    let summary = "Adds a secret; the old ones end after `overlap_seconds`, or stay when that is not given.";
    vec![
        Route::new(
            MethodFilter::POST,
            path,
            Access::Key(Scope::Admin),
            "add_integration_secret",
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
    let value = new.secret.map_or_else(generate_secret, Ok)?;
    let (_, secret) = app.engine.add_integration_secret(&id, value, overlap).await?;
    Ok((StatusCode::CREATED, Json(created(&secret))))
}

/// A new secret as it is shown, this once.
pub(in crate::routes) fn created(secret: &bugle_model::Secret) -> Value {
    json!({
        "id": secret.id,
        "secret": secret.expose(),
        "created_at": secret.created_at,
        "expires_at": secret.expires_at,
    })
}
