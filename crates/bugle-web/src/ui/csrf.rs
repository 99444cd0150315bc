//! That a change was meant: it comes from a page of this hub, and holds what only such a page knows.
//!
//! Two checks, each enough by itself: where the browser says that the request comes from, and a token that is made from the
//! session's, so that nothing has to be stored.
//! <https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html>

use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::session::Viewer;
use crate::{WebSettings, error::ApiError};

/// Where a call of the API carries the token.
const TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The CSRF token of the session with this token.
pub(super) fn token(session: &str) -> String {
    hex::encode(Sha256::new().chain_update("bugle csrf ").chain_update(session).finalize())
}

/// Whether `given` is the viewer's token.
pub(super) fn fits(viewer: &Viewer, given: &str) -> bool {
    viewer.csrf().as_bytes().ct_eq(given.as_bytes()).into()
}

/// Refuses a call that changes something and was not meant by who is signed in.
pub(crate) fn check(
    viewer: &Viewer,
    method: &Method,
    headers: &HeaderMap,
    settings: &WebSettings,
) -> Result<(), ApiError> {
    if method.is_safe() {
        return Ok(());
    }
    let given = headers.get(TOKEN).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if fits(viewer, given) && is_same_origin(headers, settings) { Ok(()) } else { Err(refusal()) }
}

/// What did not come from a page of this hub is told so.
pub(super) fn refusal() -> ApiError {
    let message = "this did not come from a page of this hub, or from one that is too old: load the page again and retry";
    ApiError::new(StatusCode::FORBIDDEN, "CSRF_REFUSED", message)
}

/// Whether the browser says that a page of this hub sent the request. One that says nothing is too old to be trusted.
pub(super) fn is_same_origin(headers: &HeaderMap, settings: &WebSettings) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(FETCH_SITE) {
        return site == "same-origin";
    }
    let Some(origin) = text(header::ORIGIN) else { return false };
    let is_public =
        settings.public_url.as_ref().is_some_and(|url| url.origin().ascii_serialization() == origin);
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    is_public || (authority.is_some() && authority == text(header::HOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_hub_are_of_the_same_origin() {
        let settings = WebSettings {
            public_url: Some("https://bugle.example.com/".parse().unwrap()),
            ..WebSettings::default()
        };
        for (pairs, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "http://hub:8000")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "http://hub:8000")], true),
            (&[("origin", "https://bugle.example.com")], true),
            (&[("origin", "https://bugle.example.com.evil.example")], false),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "null")], false),
            (&[], false),
        ] {
            let mut headers: HeaderMap = HeaderMap::from_iter([(header::HOST, "hub:8000".parse().unwrap())]);
            for (name, value) in pairs {
                headers.insert(HeaderName::from_static(name), value.parse().unwrap());
            }
            assert_eq!(is_same_origin(&headers, &settings), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_token_is_made_from_its_session_and_does_not_tell_it() {
        assert_eq!(token("a"), token("a"));
        assert_ne!(token("a"), token("b"));
        assert_ne!(token("a"), hex::encode(Sha256::digest("a")), "that is what is stored");
    }
}
