//! `/settings`: what this hub is, what it keeps for how long, and how it is configured.

use askama::Template;
use axum::extract::State;

use super::{Tab, tabs};
use crate::{
    app::App,
    routes::about,
    ui::{
        format::{Ago, Copyable, count},
        page::{Page, Shown, show},
        session::Viewer,
    },
};

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    page: Page,
    tabs: Vec<Tab>,
    version: &'static str,
    licence: String,
    since: Ago,
    address: Option<Copyable>,
    store: String,
    size: String,
    kept: Vec<Kept>,
    overlap: String,
    configured: Vec<Configured>,
}

/// How long one kind of thing is kept.
struct Kept {
    what: &'static str,
    how_long: String,
    /// What sets it; none where nothing does.
    setting: Option<&'static str>,
    /// Where its value came from, when the viewer may know.
    origin: Option<String>,
}

/// One setting as it was given.
struct Configured {
    name: String,
    value: String,
    origin: String,
    is_default: bool,
}

/// `GET /settings`.
pub(in crate::ui) async fn page(State(app): State<App>, viewer: Viewer) -> Shown {
    let about = about(&app, viewer.user().role).await?;
    let settings = about.settings.unwrap_or_default();
    let origin_of = |name: &str| {
        let found = settings.iter().find(|setting| setting.name == name);
        found.and_then(|setting| setting.origin.clone()).map(|origin| from_where(&origin))
    };
    let kept = |what, days: Option<u64>, setting: Option<&'static str>| Kept {
        what,
        how_long: days.map_or("for ever".to_owned(), days_words),
        origin: setting.and_then(origin_of),
        setting,
    };
    show(&Settings {
        page: viewer.page("Settings", "/api/v1/about"),
        tabs: tabs(&viewer, "/settings"),
        version: about.version,
        licence: about.license.to_owned(),
        since: Ago { at: about.started_at, now: app.now() },
        address: app.settings.public_url.as_ref().map(|url| Copyable(url.to_string())),
        store: format!("{}, schema {}", about.store.engine, about.store.schema),
        size: bytes_words(about.store.bytes),
        kept: vec![
            kept("Receipts", about.receipts_days, Some("retention_receipts_days")),
            kept("Resolved incidents", about.incidents_days, Some("retention_incidents_days")),
            kept("The audit log", about.audit_days, None),
        ],
        overlap: days_words(about.secret_overlap_seconds / 86_400),
        configured: settings
            .into_iter()
            .map(|setting| Configured {
                is_default: setting.origin.as_deref().is_none_or(|origin| origin == "default"),
                origin: setting.origin.as_deref().map(from_where).unwrap_or_default(),
                value: setting
                    .value
                    .filter(|value| !value.is_empty())
                    .unwrap_or_else(|| "not set".to_owned()),
                name: setting.name,
            })
            .collect(),
    })
}

fn days_words(days: u64) -> String {
    match days {
        1 => "1 day".to_owned(),
        365 => "a year".to_owned(),
        days => format!("{} days", count(days)),
    }
}

/// Where a value came from, in words.
fn from_where(origin: &str) -> String {
    match origin {
        "default" => "the default".to_owned(),
        "flag" => "a flag of the command line".to_owned(),
        origin => origin.to_owned(),
    }
}

/// A size in its largest unit, with one digit behind the point.
fn bytes_words(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", count(bytes / size), bytes % size * 10 / size),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_days_are_readable() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1_023, "1023 bytes"),
            (1_536, "1.5 KiB"),
            (5 << 20, "5.0 MiB"),
            (3 << 40, "3,072.0 GiB"),
        ] {
            assert_eq!(bytes_words(bytes), expected);
        }
        assert_eq!(
            (days_words(1), days_words(30), days_words(365)),
            ("1 day".into(), "30 days".into(), "a year".into())
        );
    }
}
