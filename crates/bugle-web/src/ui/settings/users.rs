//! `/settings/users`: the people who sign in, and adding one.

use askama::Template;
use axum::extract::State;
use bugle_model::{Scope, Timestamp, User, UserId};

use super::{Role, Tab, roles, scope_tag, tabs};
use crate::{
    app::App,
    ui::{
        format::{Ago, Tag},
        page::{Page, Shown, show},
        session::Viewer,
    },
};

#[derive(Template)]
#[template(path = "settings_users.html")]
struct Users {
    page: Page,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    roles: Vec<Role>,
}

struct Row {
    href: String,
    name: String,
    is_viewer: bool,
    role: Tag<'static>,
    state: Tag<'static>,
    added: Ago,
}

/// `GET /settings/users`.
pub(in crate::ui) async fn page(State(app): State<App>, viewer: Viewer) -> Shown {
    let (users, now, me) = (app.engine.users().await?, app.now(), viewer.user().id);
    show(&Users {
        page: viewer.page("Users", "/api/v1/users"),
        tabs: tabs(&viewer, "/settings/users"),
        rows: users.iter().map(|user| row(user, me, now)).collect(),
        roles: roles(Scope::Operate),
    })
}

fn row(user: &User, me: UserId, now: Timestamp) -> Row {
    Row {
        href: format!("/settings/users/{}", user.id),
        name: user.name.clone(),
        is_viewer: user.id == me,
        role: scope_tag(user.role),
        state: state_of(user),
        added: Ago { at: user.created_at, now },
    }
}

/// Whether a user can sign in.
pub(super) fn state_of(user: &User) -> Tag<'static> {
    let (tone, text) = match user {
        User { disabled: true, .. } => ("bad", "Disabled"),
        User { identity: Some(_), .. } => ("good", "Signs in at the provider"),
        User { password: None, .. } => ("warn", "Has not chosen a password"),
        _ => ("good", "Can sign in"),
    };
    Tag { tone, text }
}
