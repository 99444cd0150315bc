//! `POST /api/v1/integrations/{id}/secrets`: adds a secret, so that the old one can be replaced without losing a call.
//! `DELETE .../secrets/{secret_id}`: ends one at once.

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
    /// For how long the old ones go on; `None` when not given, which means a day.
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
    let summary = "Adds a secret; the old ones end after `overlap_seconds`, a day when that is not given.";
    let removal = "Ends one secret at once. The last one stays, as without any nothing proves who calls.";
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
        Route::new(
            MethodFilter::DELETE,
            "/api/v1/integrations/{id}/secrets/{secret_id}",
            Access::Key(Scope::Admin),
            "remove_integration_secret",
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
    let value = new.secret.map_or_else(generate_secret, Ok)?;
    let (_, secret) = app.engine.add_integration_secret(&id, value, overlap).await?;
    Ok((StatusCode::CREATED, Json(created(&secret))))
}

async fn remove(
    State(app): State<App>,
    PathOf((id, secret_id)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.engine.remove_integration_secret(&id, &secret_id).await?;
    Ok(StatusCode::NO_CONTENT)
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
