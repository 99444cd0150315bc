//! `/settings/users/{id}`: one user, and what an admin can do about them.

use askama::Template;
use axum::extract::State;
use url::form_urlencoded::Serializer;

use super::{Role, Tab, roles, scope_tag, tabs, users::state_of};
use crate::{
    app::App,
    input::PathOf,
    ui::{
        format::{Ago, Copyable, Tag},
        page::{Page, Shown, show},
        session::Viewer,
    },
};

#[derive(Template)]
#[template(path = "settings_user.html")]
struct OneUser {
    page: Page,
    tabs: Vec<Tab>,
    id: String,
    name: String,
    /// Where it is shown what they did.
    did: String,
    /// Where it is shown what was done to them.
    undergone: String,
    copy_id: Copyable,
    role: Tag<'static>,
    state: Tag<'static>,
    added: Ago,
    changed: Ago,
    roles: Vec<Role>,
    is_viewer: bool,
    is_disabled: bool,
    /// A provider vouches for them: it has their password, and says their role.
    is_vouched_for: bool,
}

/// `GET /settings/users/{id}`.
pub(in crate::ui) async fn page(State(app): State<App>, viewer: Viewer, PathOf(id): PathOf<String>) -> Shown {
    let (user, now) = (app.engine.user(&id).await?, app.now());
    show(&OneUser {
        page: viewer.page(&user.name, format!("/api/v1/users/{}", user.id)),
        tabs: tabs(&viewer, "/settings/users"),
        id: user.id.to_string(),
        did: audit_of("actor", &user.name),
        undergone: audit_of("subject", &user.id.to_string()),
        copy_id: Copyable(user.id.to_string()),
        role: scope_tag(user.role),
        state: state_of(&user),
        added: Ago { at: user.created_at, now },
        changed: Ago { at: user.updated_at, now },
        roles: roles(user.role),
        is_viewer: user.id == viewer.user().id,
        is_disabled: user.disabled,
        is_vouched_for: user.identity.is_some(),
        name: user.name,
    })
}

fn audit_of(name: &str, value: &str) -> String {
    let query = Serializer::new(String::new()).append_pair(name, value).finish();
    format!("/settings/audit?{query}")
}
