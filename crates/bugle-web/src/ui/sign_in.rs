//! `/sign-in`: name and password, and where one wanted to go.

use askama::Template;
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use bugle_engine::accounts::SignInError;
use http::{HeaderMap, StatusCode, header};
use secrecy::SecretString;

use super::{
    form::Form,
    oidc,
    page::{Shown, show, show_as},
    session::{self, Viewer, theme},
};
use crate::{
    app::App,
    client_ip::{Peer, client_ip},
    error::ApiError,
    input::Query,
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    theme: &'static str,
    name: &'a str,
    next: &'a str,
    problem: Option<String>,
    /// Nobody can sign in yet: the page says how the first user is made.
    is_first_run: bool,
    /// Where one goes to sign in at a provider, if one is configured.
    provider: Option<String>,
}

/// `GET /sign-in`.
pub(super) async fn page(
    State(app): State<App>,
    viewer: Option<Extension<Viewer>>,
    headers: HeaderMap,
    query: Query,
) -> Shown {
    let next = local(query.one("next").unwrap_or("/"));
    if viewer.is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    let is_first_run = app.store().users().await?.is_empty();
    let provider = oidc::address(&app, next);
    show(&SignIn { theme: theme(&headers), name: "", next, problem: None, is_first_run, provider })
}

/// The page again, for who was not signed in elsewhere.
pub(super) async fn refused(
    app: &App,
    headers: &HeaderMap,
    next: &str,
    status: StatusCode,
    problem: String,
) -> Shown {
    let is_first_run = app.store().users().await?.is_empty();
    let (theme, provider) = (theme(headers), oidc::address(app, next));
    show_as(status, &SignIn { theme, name: "", next, problem: Some(problem), is_first_run, provider })
}

/// `POST /sign-in`.
pub(super) async fn submit(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    form: Form,
) -> Shown {
    let address = client_ip(peer.map(|Extension(peer)| peer), &headers, &app.settings.trusted_proxies);
    let (name, next) = (form.text("name"), local(form.text("next")));
    match app.engine.sign_in(name, form.secret("password"), address).await {
        Ok(token) => Ok(signed_in(&app, &token, next)),
        Err(error) => {
            let (status, problem) = refusal(error)?;
            let (theme, provider) = (theme(&headers), oidc::address(&app, next));
            let problem = Some(problem);
            show_as(status, &SignIn { theme, name, next, problem, is_first_run: false, provider })
        }
    }
}

/// The answer to who has just signed in.
pub(super) fn signed_in(app: &App, token: &SecretString, next: &str) -> Response {
    let mut response = Redirect::to(next).into_response();
    response
        .headers_mut()
        .extend(session::keep(token, &app.settings).map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

/// How a refusal is shown beside the form.
pub(super) fn refusal(error: SignInError) -> Result<(StatusCode, String), ApiError> {
    let message = error.to_string();
    let status = match error {
        SignInError::Wrong => StatusCode::UNPROCESSABLE_ENTITY,
        SignInError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        SignInError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        SignInError::Config(error) => {
            let error = ApiError::from(error);
            if !error.status().is_client_error() {
                return Err(error);
            }
            error.status()
        }
    };
    Ok((status, sentence(message)))
}

/// A message as a sentence.
pub(super) fn sentence(mut message: String) -> String {
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    message + "."
}

/// A place of this hub; what would lead elsewhere leads home.
pub(super) fn local(next: &str) -> &str {
    let mut rest = next.bytes();
    let is_local = rest.next() == Some(b'/')
        && !matches!(rest.next(), Some(b'/' | b'\\'))
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_local { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_led_back_and_nowhere_else() {
        for (next, expected) in [
            ("/incidents?status=open", "/incidents?status=open"),
            ("/", "/"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("https://evil.example", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            assert_eq!(local(next), expected, "{next}");
        }
    }
}
