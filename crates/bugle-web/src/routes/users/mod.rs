//! `/api/v1/users`: the people who sign in.

mod all;
mod link;
mod one;
mod sign_out;

use bugle_model::{Scope, User};
use http::HeaderMap;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{CURSOR, LIMIT, MethodFilter, Route, integrations::base_url};
use crate::{access::Access, app::App, error::ApiError};

const ADMIN: Access = Access::Key(Scope::Admin);

pub(super) fn routes() -> Vec<Route> {
    [all::routes(), one::routes(), link::routes(), sign_out::routes()].into_iter().flatten().collect()
}

/// A user as they are shown: all but what lets them in.
fn view(user: &User) -> Value {
    let mut shown = json!(user);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("has_password".into(), json!(user.password.is_some()));
    }
    shown
}

/// Where a user chooses a password: once, and within a day.
async fn password_link(app: &App, headers: &HeaderMap, user: &User) -> Result<String, ApiError> {
    let token = app.engine.link_user(user).await?;
    Ok(format!("{}/welcome?link={}", base_url(app, headers), token.expose_secret()))
}
