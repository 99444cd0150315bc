//! `GET`, `PATCH` and `DELETE /api/v1/users/{id}`.

use axum::{Json, extract::State};
use bugle_engine::accounts::UserPatch;
use http::StatusCode;
use serde_json::Value;

use super::{ADMIN, MethodFilter, Route, view};
use crate::{
    access::Caller,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/users/{id}";
    let patch_summary = "Changes a user. Another role or password, and disabling, end their sessions and links. The last admin stays one.";
    let delete_summary = "Deletes a user and ends their sessions. The last admin stays.";
    vec![
        Route::new(MethodFilter::GET, path, ADMIN, "get_user", "One user.", get).answers(200, "User"),
        Route::new(MethodFilter::PATCH, path, ADMIN, "update_user", patch_summary, patch)
            .reads("UserPatch")
            .answers(200, "User"),
        Route::new(MethodFilter::DELETE, path, ADMIN, "delete_user", delete_summary, delete)
            .answers_nothing(),
    ]
}

async fn get(State(app): State<App>, PathOf(id): PathOf<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(view(&app.engine.user(&id).await?)))
}

async fn patch(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    caller: Caller,
    JsonBody(patch): JsonBody<UserPatch>,
) -> Result<Json<Value>, ApiError> {
    if patch.role.is_some_and(|role| role != caller.scope()) {
        others_only(&caller, &id, "role")?;
    }
    if patch.disabled == Some(true) {
        others_only(&caller, &id, "disabled")?;
    }
    Ok(Json(view(&app.engine.update_user(&id, patch).await?)))
}

async fn delete(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    others_only(&caller, &id, "id")?;
    app.engine.delete_user(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Nobody locks themselves out by mistake: another admin does it, or whoever has an admin's API key.
fn others_only(caller: &Caller, id: &str, field: &str) -> Result<(), ApiError> {
    match caller {
        Caller::User(viewer) if viewer.user().id.to_string() == id => {
            let message = "this would lock you out: another admin can do it for you";
            Err(ApiError::field(field, message))
        }
        _ => Ok(()),
    }
}
