//! What a change changed, for the audit log: the names of fields, as their values may be secrets.

use bugle_model::{Destination, Integration, Scope, User};
use secrecy::ExposeSecret;

/// The names of those fields that differ.
macro_rules! differing {
    ($before:expr, $after:expr; $($field:ident)*) => {{
        let (before, after) = ($before, $after);
        let all = [$((stringify!($field), before.$field != after.$field)),*];
        all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    }};
}

/// What of an integration differs.
pub(crate) fn integration(before: &Integration, after: &Integration) -> Vec<String> {
    let fields = differing!(before, after; name allowed_ips rate_limit settings);
    fields.into_iter().chain(switched(before.enabled, after.enabled)).collect()
}

/// What of a destination differs.
pub(crate) fn destination(before: &Destination, after: &Destination) -> Vec<String> {
    let fields = differing!(before, after; name url method headers events filter template retry circuit_policy settings
        concurrency timeout_ms);
    fields.into_iter().chain(switched(before.enabled, after.enabled)).collect()
}

fn switched(before: bool, after: bool) -> Option<String> {
    (before != after).then(|| if after { "enabled" } else { "disabled" }.to_owned())
}

/// What of a user differs. Roles are told: they are what such a log is read for.
pub(crate) fn user(before: &User, after: &User) -> Vec<String> {
    let password = |user: &User| user.password.as_ref().map(|hash| hash.expose_secret().to_owned());
    let all = [
        (before.name != after.name).then(|| format!("name {} to {}", before.name, after.name)),
        (before.role != after.role).then(|| format!("role {} to {}", scope(before.role), scope(after.role))),
        (password(before) != password(after)).then(|| "password".to_owned()),
        switched(!before.disabled, !after.disabled),
    ];
    all.into_iter().flatten().collect()
}

/// The word for a scope or a role.
pub(crate) const fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Operate => "operate",
        Scope::Admin => "admin",
    }
}
