//! `/settings`: this hub itself, who may use it, and who changed what. Each part is a page with the same tabs.

pub(super) mod about;
pub(super) mod api_keys;
pub(super) mod audit;
pub(super) mod user;
pub(super) mod users;

use bugle_model::Scope;

use super::{format::Tag, session::Viewer};
use crate::access::scope_word;

/// One of the parts.
pub(super) struct Tab {
    pub(super) href: &'static str,
    pub(super) label: &'static str,
    pub(super) is_current: bool,
}

/// The parts that somebody may see, in their order.
const PARTS: [(&str, &str, Scope); 4] = [
    ("/settings", "This hub", Scope::Read),
    ("/settings/users", "Users", Scope::Admin),
    ("/settings/api-keys", "API keys", Scope::Admin),
    ("/settings/audit", "Audit log", Scope::Admin),
];

fn tabs(viewer: &Viewer, current: &str) -> Vec<Tab> {
    let parts = PARTS.into_iter().filter(|(_, _, needs)| viewer.may(*needs));
    parts.map(|(href, label, _)| Tab { href, label, is_current: href == current }).collect()
}

/// What somebody may do, as a tag.
fn scope_tag(scope: Scope) -> Tag<'static> {
    Tag { tone: if scope == Scope::Admin { "accent" } else { "quiet" }, text: scope_word(scope) }
}

/// A role to choose.
struct Role {
    word: &'static str,
    label: &'static str,
    is_chosen: bool,
}

/// The roles, with what they mean.
fn roles(chosen: Scope) -> Vec<Role> {
    let all = [
        (Scope::Read, "read: look at all but secrets"),
        (Scope::Operate, "operate: also act on incidents and calls"),
        (Scope::Admin, "admin: also change how the hub is set up"),
    ];
    let role = |(scope, label)| Role { word: scope_word(scope), label, is_chosen: scope == chosen };
    all.into_iter().map(role).collect()
}
