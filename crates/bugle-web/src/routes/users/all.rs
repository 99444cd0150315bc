//! `GET` and `POST /api/v1/users`.

use axum::{Json, extract::State};
use bugle_engine::accounts::NewUser;
use bugle_model::Page;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{ADMIN, CURSOR, LIMIT, MethodFilter, Route, password_link, view};
use crate::{
    app::App,
    error::ApiError,
    input::{JsonBody, Query},
    routes::{page_of, values},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/users";
    let list_summary = "The users, in the order in which they were added.";
    let create_summary =
        "Adds a user. Without a password the answer holds a link where they choose one: once, within a day.";
    vec![
        Route::new(MethodFilter::GET, path, ADMIN, "list_users", list_summary, list)
            .query(&[LIMIT, CURSOR])
            .answers(200, "UserPage"),
        Route::new(MethodFilter::POST, path, ADMIN, "create_user", create_summary, create)
            .reads("NewUser")
            .answers(201, "UserCreated"),
    ]
}

async fn list(State(app): State<App>, query: Query) -> Result<Json<Page<Value>>, ApiError> {
    let users = app.engine.users().await?;
    Ok(values(page_of(users, query.page()?, |user| user.id.as_i64()), |user| view(&user)))
}

async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewUser>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let user = app.engine.create_user(new).await?;
    let link = match user.password {
        None => Some(password_link(&app, &headers, &user).await?),
        Some(_) => None,
    };
    let mut shown = view(&user);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("link".into(), json!(link));
    }
    Ok((StatusCode::CREATED, Json(shown)))
}
