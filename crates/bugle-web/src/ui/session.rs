//! Who looks at a page: the session's cookie, and what is made of it.

use std::{borrow::Cow, fmt, sync::Arc};

use axum::extract::FromRequestParts;
use bugle_engine::accounts::SESSION_AGE_MAX;
use bugle_model::{Actor, Scope, Session, User};
use bugle_store::StoreError;
use http::{HeaderMap, HeaderValue, header, request::Parts};
use secrecy::{ExposeSecret, SecretString};

use super::csrf;
use crate::{WebSettings, app::App, error::ApiError};

/// The cookie that holds the session's token.
const COOKIE: &str = "bugle_session";
/// The cookie that holds the chosen colours; the script writes it.
const THEME_COOKIE: &str = "bugle_theme";

/// A signed-in user, in one browser.
#[derive(Clone)]
pub(crate) struct Viewer(Arc<Inner>);

struct Inner {
    user: User,
    session: Session,
    csrf: String,
    theme: &'static str,
    /// The path of the page that is looked at.
    path: String,
}

impl Viewer {
    /// Whose session the request's cookie is, if it is one that is not over.
    pub(crate) async fn of(app: &App, headers: &HeaderMap, path: &str) -> Result<Option<Self>, StoreError> {
        let Some(token) = own_cookie(headers, COOKIE, &app.settings) else { return Ok(None) };
        let found = app.engine.session(token).await?;
        Ok(found.map(|(session, user)| {
            let inner = Inner {
                csrf: csrf::token(token),
                theme: theme(headers),
                path: path.to_owned(),
                session,
                user,
            };
            Self(Arc::new(inner))
        }))
    }

    pub(crate) fn user(&self) -> &User {
        &self.0.user
    }

    pub(crate) fn session(&self) -> &Session {
        &self.0.session
    }

    /// Whether they may do what needs this scope.
    pub(crate) fn may(&self, needed: Scope) -> bool {
        self.0.user.role >= needed
    }

    /// As they stand on timelines.
    pub(crate) fn actor(&self) -> Actor {
        Actor::User { email: self.0.user.name.clone() }
    }

    /// What a change must come with.
    pub(crate) fn csrf(&self) -> &str {
        &self.0.csrf
    }

    pub(super) fn theme(&self) -> &'static str {
        self.0.theme
    }

    pub(super) fn path(&self) -> &str {
        &self.0.path
    }
}

/// Who it is and no more: the CSRF token is a secret, and so is whatever the session is known by.
impl fmt::Debug for Viewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Viewer").field(&self.0.user.id).finish()
    }
}

impl<S: Sync> FromRequestParts<S> for Viewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Absent only on a page that was declared open: refuse rather than show it to nobody.
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::not_signed_in)
    }
}

/// The value of a cookie that nothing but this hub writes.
pub(super) fn own_cookie<'h>(
    headers: &'h HeaderMap,
    name: &'static str,
    settings: &WebSettings,
) -> Option<&'h str> {
    cookie(headers, &own_name(name, settings))
}

/// What such a cookie is called. By TLS it is one that browsers take from this host alone: a neighbour in the domain could
/// else put its own in its place, and have somebody act in a session that is not theirs.
/// <https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes>
fn own_name(name: &'static str, settings: &WebSettings) -> Cow<'static, str> {
    if is_tls(settings) { format!("__Host-{name}").into() } else { name.into() }
}

/// Whether browsers come by TLS, as the hub's own address says.
fn is_tls(settings: &WebSettings) -> bool {
    settings.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
}

/// The value of the cookie called `name`.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// The colours that the viewer chose; empty where the system decides.
pub(super) fn theme(headers: &HeaderMap) -> &'static str {
    match cookie(headers, THEME_COOKIE) {
        Some("dark") => "dark",
        Some("light") => "light",
        _ => "",
    }
}

/// Makes the browser keep a session's token: from scripts and from other sites' requests, and from the open network where
/// this hub is reached by TLS.
pub(super) fn keep(token: &SecretString, settings: &WebSettings) -> Option<HeaderValue> {
    cookie_line((COOKIE, token.expose_secret()), SESSION_AGE_MAX.as_secs(), settings)
}

/// Makes the browser forget it.
pub(super) fn forget(settings: &WebSettings) -> Option<HeaderValue> {
    cookie_line((COOKIE, ""), 0, settings)
}

/// Makes the browser keep a cookie that nothing but this hub reads.
pub(super) fn cookie_line(
    (name, value): (&'static str, &str),
    age_seconds: u64,
    settings: &WebSettings,
) -> Option<HeaderValue> {
    let name = own_name(name, settings);
    let secure = if is_tls(settings) { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={age_seconds}; HttpOnly; SameSite=Lax{secure}");
    let mut header = HeaderValue::try_from(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use bugle_model::{Timestamp, UserId};

    use super::*;

    #[test]
    fn cookies_are_read_as_browsers_send_them() {
        let headers = HeaderMap::from_iter([
            (header::COOKIE, HeaderValue::from_static("a=1; bugle_session=t1; bugle_theme=dark")),
            (header::COOKIE, HeaderValue::from_static("bugle_session=t2")),
        ]);
        assert_eq!(cookie(&headers, COOKIE), Some("t1"));
        assert_eq!(theme(&headers), "dark");
        assert_eq!(cookie(&HeaderMap::new(), COOKIE), None);
        let other = HeaderMap::from_iter([(
            header::COOKIE,
            HeaderValue::from_static("xbugle_session=t; bugle_theme=\"><"),
        )]);
        assert_eq!((cookie(&other, COOKIE), theme(&other)), (None, ""));
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_and_with_tls_from_the_network() {
        let plain = WebSettings::default();
        let kept = keep(&"abc".into(), &plain).unwrap();
        assert_eq!(kept, "bugle_session=abc; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax");
        assert!(kept.is_sensitive());
        let tls = WebSettings { public_url: Some("https://hub.example.com".parse().unwrap()), ..plain };
        assert_eq!(
            keep(&"abc".into(), &tls).unwrap(),
            "__Host-bugle_session=abc; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax; Secure"
        );
        let forgotten = forget(&tls).unwrap();
        assert_eq!(forgotten, "__Host-bugle_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure");
    }

    #[test]
    fn a_neighbours_cookie_is_not_taken_for_our_own() {
        let neighbours = HeaderValue::from_static("bugle_session=theirs; __Host-bugle_session=ours");
        let headers = HeaderMap::from_iter([(header::COOKIE, neighbours)]);
        let plain = WebSettings::default();
        assert_eq!(own_cookie(&headers, COOKIE, &plain), Some("theirs"));
        let tls = WebSettings { public_url: Some("https://hub.example.com".parse().unwrap()), ..plain };
        assert_eq!(own_cookie(&headers, COOKIE, &tls), Some("ours"));
    }

    #[test]
    fn a_viewer_is_told_of_without_what_lets_them_act() {
        let (at, id) = (Timestamp::from_seconds(1_000_000), UserId::from_i64(7));
        let user = User {
            id,
            name: "ada".into(),
            role: Scope::Admin,
            password: None,
            identity: None,
            disabled: false,
            session_epoch: 0,
            created_at: at,
            updated_at: at,
        };
        let session = Session {
            hash: [7; 32],
            user_id: id,
            epoch: 0,
            created_at: at,
            last_seen_at: at,
            expires_at: at,
        };
        let inner = Inner { user, session, csrf: csrf::token("t"), theme: "", path: "/".into() };
        let told = format!("{:?}", Viewer(Arc::new(inner)));
        assert!(told.contains(&id.to_string()), "{told}");
        assert!(!told.contains(&csrf::token("t")), "{told}");
    }
}
