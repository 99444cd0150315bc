//! `/settings/api-keys`: who may call the API: the keys, making one and deleting one.

use askama::Template;
use axum::extract::State;
use bugle_model::{ApiKey, Scope, Timestamp};

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
#[template(path = "settings_api_keys.html")]
struct ApiKeys {
    page: Page,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    roles: Vec<Role>,
}

struct Row {
    id: String,
    name: String,
    scope: Tag<'static>,
    used: Option<Ago>,
    made: Ago,
    /// The last key of an admin stays.
    may_delete: bool,
}

/// `GET /settings/api-keys`.
pub(in crate::ui) async fn page(State(app): State<App>, viewer: Viewer) -> Shown {
    let (keys, now) = (app.engine.api_keys(), app.now());
    let admins = keys.iter().filter(|key| key.scope == Scope::Admin).count();
    show(&ApiKeys {
        page: viewer.page("API keys", "/api/v1/api-keys"),
        tabs: tabs(&viewer, "/settings/api-keys"),
        rows: keys.iter().map(|key| row(key, admins, now)).collect(),
        roles: roles(Scope::Read),
    })
}

fn row(key: &ApiKey, admins: usize, now: Timestamp) -> Row {
    Row {
        id: key.id.to_string(),
        name: key.name.clone(),
        scope: scope_tag(key.scope),
        used: key.last_used_at.map(|at| Ago { at, now }),
        made: Ago { at: key.created_at, now },
        may_delete: key.scope != Scope::Admin || admins > 1,
    }
}
