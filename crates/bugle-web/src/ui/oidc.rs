//! `/sign-in/oidc`: leads to the provider where one signs in, and takes in who comes back from there.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use bugle_engine::accounts::{Begun, OidcError, ProviderAnswer, SignInError};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::ExposeSecret;
use url::form_urlencoded;

use super::{
    page::Shown,
    session::{Viewer, cookie_line, own_cookie},
    sign_in::{local, refused, signed_in},
};
use crate::{
    WebSettings,
    app::App,
    client_ip::{Peer, client_ip},
    error::ApiError,
    input::Query,
};

/// The address that is registered at the provider, below the hub's own.
const PATH: &str = "/sign-in/oidc";
/// The cookie that holds a sign-in on its way.
const COOKIE: &str = "bugle_sign_in";

/// Where one begins to sign in at the provider, if one is configured.
pub(super) fn address(app: &App, next: &str) -> Option<String> {
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    app.engine.has_oidc().then(|| format!("{PATH}?next={next}"))
}

/// `GET /sign-in/oidc`: with what the provider says it ends a sign-in, else it begins one.
pub(super) async fn page(
    State(app): State<App>,
    viewer: Option<Extension<Viewer>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    query: Query,
) -> Shown {
    let is_answer = ["state", "code", "error"].iter().any(|name| query.one(name).is_some());
    let next = local(query.one("next").unwrap_or("/"));
    if viewer.is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    let redirect_uri = redirect_uri(&app.settings)?;
    let done = if is_answer {
        let address = client_ip(peer.map(|Extension(peer)| peer), &headers, &app.settings.trusted_proxies);
        let kept = own_cookie(&headers, COOKIE, &app.settings).unwrap_or_default();
        let answer = ProviderAnswer {
            code: query.one("code"),
            state: query.one("state").unwrap_or_default(),
            error: query.one("error"),
        };
        let ended = app.engine.finish_oidc(&redirect_uri, kept, answer, address).await;
        ended.map(|(token, next)| keeping(signed_in(&app, &token, local(&next)), "", 0, &app.settings))
    } else {
        let begun = app.engine.begin_oidc(&redirect_uri, next).await;
        begun.map(|begun| {
            let leading = Redirect::to(begun.url.as_str()).into_response();
            keeping(leading, begun.kept.expose_secret(), Begun::SECONDS_MAX, &app.settings)
        })
    };
    match done {
        Ok(response) => Ok(response),
        Err(error) => {
            let (status, problem) = refusal(error)?;
            refused(&app, &headers, next, status, problem).await
        }
    }
}

/// Where the provider leads back to. It must be known beforehand, so the caller's `Host` does not do.
fn redirect_uri(settings: &WebSettings) -> Result<String, ApiError> {
    let url = settings.public_url.as_ref().ok_or_else(|| {
        let message = "signing in at a provider needs the address of this hub: an admin sets `public_url`";
        ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    })?;
    Ok(format!("{}{PATH}", url.as_str().trim_end_matches('/')))
}

/// Makes the browser keep a sign-in on its way, or forget it.
fn keeping(mut response: Response, value: &str, age_seconds: u64, settings: &WebSettings) -> Response {
    let line: Option<HeaderValue> = cookie_line((COOKIE, value), age_seconds, settings);
    if let Some(line) = line {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}

/// How a refusal is shown beside the form.
fn refusal(error: OidcError) -> Result<(StatusCode, String), ApiError> {
    let message = error.to_string();
    let status = match error {
        OidcError::NotConfigured => StatusCode::NOT_FOUND,
        OidcError::Stale => StatusCode::BAD_REQUEST,
        OidcError::Refused(_) | OidcError::Unproven(_) | OidcError::NoName | OidcError::NoRole => {
            StatusCode::FORBIDDEN
        }
        OidcError::Unavailable => StatusCode::BAD_GATEWAY,
        OidcError::SignIn(SignInError::Busy) => StatusCode::SERVICE_UNAVAILABLE,
        OidcError::SignIn(error) => return super::sign_in::refusal(error),
    };
    Ok((status, super::sign_in::sentence(message)))
}
