//! Who may see a page, and what is shown to who may not. Errors of all kinds become pages here.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use bugle_engine::audit::on_behalf_of;
use bugle_model::Scope;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use url::form_urlencoded;

use super::{
    now,
    page::{Failure, failure_page},
    session::{Viewer, theme},
};
use crate::{access::scope_word, app::App, error::ApiError};

/// What stands before one page.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) app: App,
    pub(super) needs: Option<Scope>,
}

/// Lets a request through to its page, or leads to where one signs in.
pub(super) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let viewer = match gate.viewer(&head).await {
        Ok(viewer) => viewer,
        Err(response) => return *response,
    };
    if let Some(viewer) = &viewer {
        head.extensions.insert(viewer.clone());
    }
    let theme = theme(&head.headers);
    let answering = next.run(Request::from_parts(head, body));
    let response = match &viewer {
        Some(viewer) => on_behalf_of(viewer.actor(), answering).await,
        None => answering.await,
    };
    match response.extensions().get::<Failure>() {
        Some(failure) => failure_page(failure, viewer.as_ref(), theme),
        None => response,
    }
}

impl Gate {
    /// The viewer, whom an open page does not need.
    async fn viewer(&self, head: &Parts) -> Result<Option<Viewer>, Box<Response>> {
        let (headers, path) = (&head.headers, head.uri.path());
        let is_asset = path.starts_with("/assets/");
        if is_asset {
            return Ok(None);
        }
        let found = Viewer::of(&self.app, headers, path).await;
        let viewer = found
            .map_err(|error| Box::new(failure_page(&ApiError::from(error).into(), None, theme(headers))))?;
        match (&viewer, self.needs) {
            (_, None) => Ok(viewer),
            (None, Some(_)) => Err(Box::new(to_sign_in(head))),
            (Some(known), Some(needed)) if known.may(needed) => Ok(viewer),
            (Some(known), Some(needed)) => {
                Err(Box::new(failure_page(&refusal(needed).into(), Some(known), known.theme())))
            }
        }
    }
}

fn refusal(needed: Scope) -> ApiError {
    let needed = scope_word(needed);
    let message =
        format!("this page is for people with the role `{needed}`: ask an admin of this hub for it");
    ApiError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
}

/// Leads to the sign-in page, which leads back. A script that refreshes a section is told to take the whole page there.
fn to_sign_in(head: &Parts) -> Response {
    let wanted = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let is_worth_returning = head.method.is_safe() && wanted != "/";
    let back: String = form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    let target = if is_worth_returning { format!("/sign-in?next={back}") } else { "/sign-in".to_owned() };
    if head.headers.contains_key("hx-request") {
        let target = HeaderValue::try_from(target).unwrap_or(HeaderValue::from_static("/sign-in"));
        let redirect = HeaderName::from_static("hx-redirect");
        return (StatusCode::UNAUTHORIZED, [(redirect, target)]).into_response();
    }
    Redirect::to(&target).into_response()
}

/// Whether a browser asks, and not a program: it names HTML, and before JSON if it names both.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match (accept.find("text/html"), accept.find("application/json")) {
        (Some(html), Some(json)) => html < json,
        (html, _) => html.is_some(),
    }
}

/// `/` for a browser.
pub(crate) async fn home(app: App, head: &Parts) -> Response {
    let gate = Gate { app: app.clone(), needs: Some(Scope::Read) };
    let viewer = match gate.viewer(head).await {
        Ok(Some(viewer)) => viewer,
        Ok(None) => return to_sign_in(head),
        Err(response) => return *response,
    };
    let shown = now::page(State(app), viewer.clone()).await;
    shown.unwrap_or_else(|failure| failure_page(&failure, Some(&viewer), viewer.theme()))
}

/// There is no such page.
pub(crate) async fn not_found(app: &App, headers: &HeaderMap, path: &str) -> Response {
    let message = "there is no such page: the address may be mistyped, or what it showed was deleted";
    let failure = ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message).into();
    let viewer = Viewer::of(app, headers, path).await.ok().flatten();
    failure_page(&failure, viewer.as_ref(), theme(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_pages_and_programs_get_json() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("text/html", true),
            ("application/json", false),
            ("application/json, text/html;q=0.5", false),
            ("text/html, application/json", true),
            ("*/*", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_html(&headers), expected, "{accept}");
        }
        assert!(!wants_html(&HeaderMap::new()));
    }
}
