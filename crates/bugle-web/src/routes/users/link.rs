//! `POST /api/v1/users/{id}/link`.

use axum::{Json, extract::State};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{ADMIN, MethodFilter, Route, password_link};
use crate::{
    app::App,
    error::ApiError,
    input::{JsonBody, NoFields, PathOf},
};

pub(super) fn routes() -> Vec<Route> {
    let summary = "Makes a link where a user chooses a password: once, within a day. One made before ends.";
    vec![
        Route::new(MethodFilter::POST, "/api/v1/users/{id}/link", ADMIN, "link_user", summary, link)
            .reads("NoFields")
            .answers(200, "UserLink"),
    ]
}

async fn link(
    State(app): State<App>,
    headers: HeaderMap,
    PathOf(id): PathOf<String>,
    JsonBody(NoFields {}): JsonBody<NoFields>,
) -> Result<Json<Value>, ApiError> {
    let user = app.engine.user(&id).await?;
    let link = password_link(&app, &headers, &user).await?;
    Ok(Json(json!({"name": user.name, "link": link})))
}
