//! `POST /api/v1/users/{id}/sign-out`.

use axum::extract::State;
use http::StatusCode;

use super::{ADMIN, MethodFilter, Route};
use crate::{
    app::App,
    error::ApiError,
    input::{JsonBody, NoFields, PathOf},
};

pub(super) fn routes() -> Vec<Route> {
    let summary = "Signs a user out everywhere. They may sign in again.";
    let path = "/api/v1/users/{id}/sign-out";
    vec![
        Route::new(MethodFilter::POST, path, ADMIN, "sign_user_out", summary, sign_out)
            .reads("NoFields")
            .answers_nothing(),
    ]
}

async fn sign_out(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(NoFields {}): JsonBody<NoFields>,
) -> Result<StatusCode, ApiError> {
    let user = app.engine.user(&id).await?;
    app.engine.sign_out_everywhere(user.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
