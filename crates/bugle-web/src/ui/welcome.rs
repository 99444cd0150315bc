//! `/welcome`: what a link that works once leads to. It makes the first user, sets a password that was lost, or signs in.

use askama::Template;
use axum::extract::State;
use bugle_engine::accounts::Purpose;
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret;

use super::{
    form::Form,
    page::{Shown, show_as},
    session::theme,
    sign_in::{refusal, signed_in},
};
use crate::{app::App, error::ApiError, input::Query};

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome<'a> {
    theme: &'static str,
    link: &'a str,
    heading: &'static str,
    explanation: &'static str,
    /// The first user chooses a name; others have one.
    chooses_name: bool,
    name: &'a str,
    problem: Option<String>,
}

/// `GET /welcome?link=…`. Looking at a form does not use the link up; one that signs in does so at once.
pub(super) async fn page(State(app): State<App>, headers: HeaderMap, query: Query) -> Shown {
    let link = query.one("link").unwrap_or_default();
    if let Some(Purpose::SignIn(_)) = app.engine.link_purpose(link) {
        let token = app.engine.sign_in_by_link(link, None).await.map_err(|_| used_up())?;
        return Ok(signed_in(&app, &token, "/"));
    }
    form_page(&app, &headers, link, "", None, StatusCode::OK).await
}

async fn form_page(
    app: &App,
    headers: &HeaderMap,
    link: &str,
    name: &str,
    problem: Option<String>,
    status: StatusCode,
) -> Shown {
    let theme = theme(headers);
    match app.engine.link_purpose(link) {
        Some(Purpose::FirstAdmin) => {
            let (heading, explanation) = (
                "Welcome to Bugle",
                "You are the first one here. Choose how you sign in: you become an admin.",
            );
            show_as(status, &Welcome { theme, link, heading, explanation, chooses_name: true, name, problem })
        }
        Some(Purpose::SetPassword(id)) => {
            let user = app.engine.user(&id.to_string()).await?;
            let (heading, explanation) = (
                "Choose a password",
                "Everywhere you are signed in with the old one, you will be signed out.",
            );
            let name = &user.name;
            show_as(
                status,
                &Welcome { theme, link, heading, explanation, chooses_name: false, name, problem },
            )
        }
        Some(Purpose::SignIn(_)) | None => Err(used_up().into()),
    }
}

fn used_up() -> ApiError {
    let message = "this link was used, is too old, or was made before the hub was last started: `bugle user link` makes a \
                   new one, and so does a start of the hub while it has no users";
    ApiError::new(StatusCode::NOT_FOUND, "LINK_USED_UP", message)
}

/// `POST /welcome`.
pub(super) async fn submit(State(app): State<App>, headers: HeaderMap, form: Form) -> Shown {
    let (link, name, password) = (form.text("link"), form.text("name"), form.secret("password"));
    if password.expose_secret() != form.secret("again").expose_secret() {
        let problem = Some("The two passwords differ.".to_owned());
        return form_page(&app, &headers, link, name, problem, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let token = match app.engine.link_purpose(link) {
        Some(Purpose::FirstAdmin) => match app.engine.create_first_admin(link, name, password).await {
            Ok(Some(user)) => app.engine.begin_session(&user).await,
            Ok(None) => return Err(used_up().into()),
            Err(error) => Err(error.into()),
        },
        Some(_) => app.engine.sign_in_by_link(link, Some(password)).await,
        None => return Err(used_up().into()),
    };
    match token {
        Ok(token) => Ok(signed_in(&app, &token, "/")),
        Err(error) => {
            let (status, problem) = refusal(error)?;
            form_page(&app, &headers, link, name, Some(problem), status).await
        }
    }
}
