//! The few forms that a browser sends itself: those that set its cookie. They come from a page of this hub, or not at all.

use axum::extract::{FromRequest, Request};
use secrecy::SecretString;
use url::form_urlencoded;

use super::csrf;
use crate::{
    app::App,
    body::{self, BodyError},
    error::ApiError,
};

/// Largest form: a name, three passwords, and where one wanted to go. Whoever is not signed in may send one, and cut into
/// fields a body takes many times the memory that it counts for.
const FORM_BYTES_MAX: usize = 32 * 1024;

/// The fields of a form.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// The value of a field; empty when it is missing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    /// A password, as it was typed.
    pub(super) fn secret(&self, name: &str) -> SecretString {
        self.text(name).to_owned().into()
    }
}

impl FromRequest<App> for Form {
    type Rejection = super::page::Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        if !csrf::is_same_origin(&parts.headers, &app.settings) {
            return Err(csrf::refusal().into());
        }
        let held = body::read(&parts.headers, body, app).await.map_err(ApiError::from)?;
        if held.bytes.len() > FORM_BYTES_MAX {
            return Err(ApiError::from(BodyError::TooLarge { limit_bytes: FORM_BYTES_MAX }).into());
        }
        let pairs = form_urlencoded::parse(&held.bytes);
        Ok(Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }
}
