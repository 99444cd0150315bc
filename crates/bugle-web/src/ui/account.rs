//! `/account`: one's own password, and signing out, here or everywhere.

use askama::Template;
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Redirect},
};
use http::{HeaderMap, StatusCode, header};
use secrecy::ExposeSecret;

use super::{
    csrf,
    form::Form,
    format::{Ago, Copyable},
    page::{Page, Shown, show_as},
    session::{self, Viewer},
    sign_in::{refusal, signed_in},
};
use crate::{
    app::App,
    client_ip::{Peer, client_ip},
};

#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    page: Page,
    id: Copyable,
    since: Ago,
    /// A provider vouches for them, and has their password.
    is_vouched_for: bool,
    problem: Option<String>,
}

/// `GET /account`.
pub(super) async fn page(State(app): State<App>, viewer: Viewer) -> Shown {
    account(&app, &viewer, None, StatusCode::OK)
}

fn account(app: &App, viewer: &Viewer, problem: Option<String>, status: StatusCode) -> Shown {
    let page = viewer.page("Your account", "/api/v1/me");
    let id = Copyable(viewer.user().id.to_string());
    let since = Ago { at: viewer.session().created_at, now: app.now() };
    let is_vouched_for = viewer.user().identity.is_some();
    show_as(status, &Account { page, id, since, is_vouched_for, problem })
}

/// `POST /account`: another password. Everywhere else one is signed out.
pub(super) async fn change_password(
    State(app): State<App>,
    viewer: Viewer,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    form: Form,
) -> Shown {
    if !csrf::fits(&viewer, form.text("csrf")) {
        return Err(csrf::refusal().into());
    }
    let (old, new) = (form.secret("old"), form.secret("password"));
    if new.expose_secret() != form.secret("again").expose_secret() {
        let problem = Some("The two new passwords differ.".to_owned());
        return account(&app, &viewer, problem, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let address = client_ip(peer.map(|Extension(peer)| peer), &headers, &app.settings.trusted_proxies);
    match app.engine.change_password(viewer.user(), old, new, address).await {
        Ok(token) => Ok(signed_in(&app, &token, "/account")),
        Err(error) => {
            let (status, problem) = refusal(error)?;
            account(&app, &viewer, Some(problem), status)
        }
    }
}

/// `POST /sign-out`, with `everywhere` in every browser.
pub(super) async fn sign_out(State(app): State<App>, viewer: Viewer, form: Form) -> Shown {
    if !csrf::fits(&viewer, form.text("csrf")) {
        return Err(csrf::refusal().into());
    }
    if form.text("everywhere").is_empty() {
        app.engine.sign_out(viewer.session()).await?;
    } else {
        app.engine.sign_out_everywhere(viewer.user().id).await?;
    }
    let mut response = Redirect::to("/sign-in").into_response();
    response.headers_mut().extend(session::forget(&app.settings).map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}
