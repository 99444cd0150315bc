//! `GET` and `POST /api/v1/integrations`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use bugle_engine::config::NewIntegration;
use bugle_model::{Page, Scope};
use http::{HeaderMap, StatusCode, header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{MethodFilter, Param, Route, view};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, Query},
    routes::{CURSOR, LIMIT, page_of, values},
};

const PLATFORM: Param = Param { name: "platform", doc: "Only integrations of this platform." };

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/integrations";
    let (read, admin) = (Access::Key(Scope::Read), Access::Key(Scope::Admin));
    vec![
        Route::new(
            MethodFilter::GET,
            path,
            read,
            "list_integrations",
            "The integrations, oldest first.",
            list,
        )
        .query(&[PLATFORM, LIMIT, CURSOR])
        .answers(200, "IntegrationPage"),
        Route::new(MethodFilter::POST, path, admin, "create_integration", "Makes an integration.", create)
            .reads("NewIntegration")
            .answers(201, "IntegrationCreated"),
    ]
}

async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    query: Query,
) -> Result<Json<Page<Value>>, ApiError> {
    let platform = query.one("platform");
    let rows = app.engine.integrations();
    let rows = rows.into_iter().filter(|row| platform.is_none_or(|platform| row.platform == platform));
    Ok(values(page_of(rows, query.page()?, |row| row.id.as_i64()), |row| view(&app, &headers, &row)))
}

async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewIntegration>,
) -> Result<Response, ApiError> {
    let secret = new.secret.clone();
    let integration = app.engine.create_integration(new).await?;
    let mut shown = view(&app, &headers, &integration);
    if let (Some(shown), Some(secret)) = (shown.as_object_mut(), secret) {
        shown.insert("secret".into(), json!(secret.expose_secret()));
    }
    let location = format!("/api/v1/integrations/{}", integration.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shown)).into_response())
}
