//! `GET` and `POST /api/v1/api-keys`.

use axum::{Json, extract::State};
use bugle_engine::config::NewApiKey;
use bugle_model::{Page, Scope};
use http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{CURSOR, LIMIT, MethodFilter, Route};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, Query},
    routes::{page_of, values},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/api-keys";
    let admin = Access::Key(Scope::Admin);
    let create_summary = "Makes an API key. The answer holds it, this once; only its hash is stored.";
    vec![
        Route::new(MethodFilter::GET, path, admin, "list_api_keys", "The API keys, oldest first.", list)
            .query(&[LIMIT, CURSOR])
            .answers(200, "ApiKeyPage"),
        Route::new(MethodFilter::POST, path, admin, "create_api_key", create_summary, create)
            .reads("NewApiKey")
            .answers(201, "ApiKeyCreated"),
    ]
}

async fn list(State(app): State<App>, query: Query) -> Result<Json<Page<Value>>, ApiError> {
    let mut keys = app.engine.api_keys();
    keys.sort_by_key(|key| key.id);
    Ok(values(page_of(keys, query.page()?, |key| key.id.as_i64()), |key| json!(key.as_ref())))
}

async fn create(
    State(app): State<App>,
    JsonBody(new): JsonBody<NewApiKey>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let (key, text) = app.engine.create_api_key(new).await?;
    let mut shown = json!(key);
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("key".into(), json!(text.expose_secret()));
    }
    Ok((StatusCode::CREATED, Json(shown)))
}
