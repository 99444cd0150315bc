//! What every page has: its frame, its headers, and the page that an error becomes.

use askama::Template;
use axum::response::{IntoResponse, Response};
use bugle_model::User;
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{NAV, session::Viewer};
use crate::{access::scope_word, error::ApiError};

/// What a browser may do with a page: load from here, and nothing else. No script, style or frame that is not a file of
/// ours, so that text which slipped through escaping would still do nothing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers of every page. The referrer stays within this hub: without any, browsers would not say where a form comes
/// from.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// What a page's handler gives: the page, or why there is none.
pub(super) type Shown = Result<Response, Failure>;

/// Renders a page.
pub(super) fn show(template: &impl Template) -> Shown {
    show_as(StatusCode::OK, template)
}

/// Renders a page with another status: a form that is shown again with what is wrong in it.
pub(super) fn show_as(status: StatusCode, template: &impl Template) -> Shown {
    let text = template.render().map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a page could not be rendered");
        let message = "this page could not be shown: the log has more, under this X-Request-ID";
        Failure(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message).into())
    })?;
    let mut response = (status, text).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// The frame of a page: `layout.html` shows it. Not to be printed: it holds the viewer's CSRF token.
pub(super) struct Page {
    pub(super) title: String,
    /// Where the same is told as JSON.
    pub(super) twin: String,
    /// `dark`, `light`, or empty where the system decides.
    pub(super) theme: &'static str,
    pub(super) nav: Vec<NavItem>,
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) csrf: String,
}

/// One place that the navigation leads to.
pub(super) struct NavItem {
    pub(super) path: &'static str,
    pub(super) label: &'static str,
    pub(super) icon: &'static str,
    pub(super) keys: &'static str,
    pub(super) is_current: bool,
}

impl Viewer {
    /// The frame of a page; `twin` is where the same is told as JSON.
    pub(super) fn page(&self, title: impl Into<String>, twin: impl Into<String>) -> Page {
        let User { name, role, .. } = self.user();
        let nav = NAV.iter().filter(|nav| self.may(nav.needs)).map(|nav| NavItem {
            path: nav.path,
            label: nav.label,
            icon: nav.icon,
            keys: nav.keys,
            is_current: is_below(self.path(), nav.path),
        });
        Page {
            title: title.into(),
            twin: twin.into(),
            theme: self.theme(),
            nav: nav.collect(),
            name: name.clone(),
            role: scope_word(*role),
            csrf: self.csrf().to_owned(),
        }
    }
}

fn is_below(path: &str, place: &str) -> bool {
    path == place || (place != "/" && path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/')))
}

/// Why a page is not shown. Carried to the gate, which knows who looks and shows it in their frame.
#[derive(Debug, Clone)]
pub(super) struct Failure(std::sync::Arc<ApiError>);

impl<E: Into<ApiError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(std::sync::Arc::new(error.into()))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.0.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    page: Page,
    heading: &'static str,
    message: &'a str,
    status: u16,
}

#[derive(Template)]
#[template(path = "error_outside.html")]
struct ErrorOutside<'a> {
    theme: &'static str,
    heading: &'static str,
    message: &'a str,
    status: u16,
}

/// The page that an error becomes: within the frame for who is signed in, bare for others.
pub(super) fn failure_page(failure: &Failure, viewer: Option<&Viewer>, theme: &'static str) -> Response {
    let (status, message) = (failure.0.status(), failure.0.message());
    let heading = heading(status);
    let shown = match viewer {
        Some(viewer) => {
            let page = viewer.page(heading, "/api/v1/openapi.json");
            show_as(status, &ErrorPage { page, heading, message, status: status.as_u16() })
        }
        None => show_as(status, &ErrorOutside { theme, heading, message, status: status.as_u16() }),
    };
    shown.unwrap_or_else(|_| status.into_response())
}

fn heading(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::SERVICE_UNAVAILABLE => "Not available now",
        status if status.is_client_error() => "That did not work",
        _ => "Something went wrong",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_current_with_all_that_is_below_it() {
        for (path, place, expected) in [
            ("/", "/", true),
            ("/incidents", "/", false),
            ("/incidents", "/incidents", true),
            ("/incidents/inc_1", "/incidents", true),
            ("/incidentsish", "/incidents", false),
        ] {
            assert_eq!(is_below(path, place), expected, "{path} {place}");
        }
    }
}
