//! `/settings/audit`: who changed what, and who signed in.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use bugle_model::{Actor, AuditAction, AuditRecord, Timestamp, audit::Subject};
use url::form_urlencoded::Serializer;

use super::{Tab, tabs};
use crate::{
    app::App,
    input::Query,
    routes::audit_filter,
    ui::{
        format::{Ago, Tag},
        page::{Page, Shown, show},
        session::Viewer,
    },
};

#[derive(Template)]
#[template(path = "settings_audit.html")]
struct Audit {
    page: Page,
    tabs: Vec<Tab>,
    abouts: Vec<About>,
    actor: String,
    subject: String,
    rows: Vec<Row>,
    is_filtered: bool,
    next: Option<String>,
}

/// A kind of thing to choose by.
struct About {
    word: &'static str,
    label: &'static str,
    is_chosen: bool,
}

struct Row {
    at: Ago,
    who: String,
    by_key: bool,
    what: Tag<'static>,
    subject: String,
    /// Where it is shown, if it still is.
    href: Option<String>,
    details: String,
}

/// `GET /settings/audit`.
pub(in crate::ui) async fn page(State(app): State<App>, viewer: Viewer, query: Query) -> Shown {
    let found = app.store().audit(audit_filter(&query)?, query.page()?).await?;
    let (present, now) = (present(&app).await?, app.now());
    let text = |name| query.one(name).unwrap_or_default().to_owned();
    show(&Audit {
        page: viewer.page("Audit log", address("/api/v1/audit", &query, None)),
        tabs: tabs(&viewer, "/settings/audit"),
        abouts: abouts(&text("about")),
        actor: text("actor"),
        subject: text("subject"),
        is_filtered: NAMES.iter().any(|name| query.one(name).is_some()),
        next: found.next_cursor.map(|cursor| address("/settings/audit", &query, Some(&cursor.to_string()))),
        rows: found.data.into_iter().map(|record| row(record, &present, now)).collect(),
    })
}

/// What a view is made of.
const NAMES: [&str; 3] = ["about", "actor", "subject"];

fn address(path: &str, query: &Query, cursor: Option<&str>) -> String {
    let mut pairs = Serializer::new(String::new());
    let given = NAMES.into_iter().filter_map(|name| Some((name, query.one(name)?)));
    pairs.extend_pairs(given.chain(cursor.map(|cursor| ("cursor", cursor))));
    let query = pairs.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn abouts(chosen: &str) -> Vec<About> {
    let all = [
        ("", "Everything"),
        ("integration", "Sources"),
        ("destination", "Destinations"),
        ("api_key", "API keys"),
        ("user", "Users"),
        ("sign_in", "Sign-ins"),
    ];
    all.into_iter().map(|(word, label)| About { word, label, is_chosen: word == chosen }).collect()
}

/// The ids of what is there to look at.
async fn present(app: &App) -> Result<BTreeSet<String>, bugle_engine::config::ConfigError> {
    let users = app.engine.users().await?;
    let sources = app.engine.integrations();
    let destinations = app.engine.destinations();
    let users = users.iter().map(|one| one.id.to_string());
    let sources = sources.iter().map(|one| one.id.to_string());
    Ok(users.chain(sources).chain(destinations.iter().map(|(one, _)| one.id.to_string())).collect())
}

fn row(record: AuditRecord, present: &BTreeSet<String>, now: Timestamp) -> Row {
    let entry = record.entry;
    let (tone, text) = words(entry.action);
    let subject = entry.subject.as_ref();
    let address = entry.address.map(|address| format!("from {address}"));
    Row {
        at: Ago { at: entry.at, now },
        by_key: matches!(entry.actor, Some(Actor::ApiKey { .. })),
        who: entry.actor.map_or("somebody".to_owned(), |actor| name(&actor)),
        what: Tag { tone, text },
        href: subject.filter(|one| present.contains(&one.id)).and_then(|one| href(entry.action, one)),
        subject: subject.map(|one| one.name.clone()).unwrap_or_default(),
        details: entry.details.into_iter().chain(address).collect::<Vec<_>>().join(", "),
    }
}

fn name(actor: &Actor) -> String {
    match actor {
        Actor::User { email: name } | Actor::ApiKey { name, .. } | Actor::Rule { name } => name.clone(),
        Actor::Source { .. } | Actor::Timeout => "Bugle".to_owned(),
    }
}

fn href(action: AuditAction, subject: &Subject) -> Option<String> {
    let place = match action.about() {
        "integration" => "/sources",
        "destination" => "/destinations",
        "user" | "sign_in" => "/settings/users",
        _ => return None,
    };
    Some(format!("{place}/{}", subject.id))
}

/// What was done, in words, and how remarkable it is.
fn words(action: AuditAction) -> (&'static str, &'static str) {
    use AuditAction as A;
    match action {
        A::IntegrationCreated => ("good", "Added the source"),
        A::IntegrationChanged => ("accent", "Changed the source"),
        A::IntegrationDeleted => ("bad", "Deleted the source"),
        A::IntegrationSecretAdded => ("accent", "Added a secret to the source"),
        A::IntegrationSecretRemoved => ("warn", "Ended a secret of the source"),
        A::DestinationCreated => ("good", "Added the destination"),
        A::DestinationChanged => ("accent", "Changed the destination"),
        A::DestinationDeleted => ("bad", "Deleted the destination"),
        A::DestinationSecretAdded => ("accent", "Added a secret to the destination"),
        A::DestinationSecretRemoved => ("warn", "Ended a secret of the destination"),
        A::DestinationEnabled => ("good", "Enabled the destination"),
        A::DestinationDisabled => ("warn", "Disabled the destination"),
        A::DestinationRecovered => ("accent", "Recovered the destination"),
        A::ApiKeyCreated => ("good", "Made the API key"),
        A::ApiKeyDeleted => ("bad", "Deleted the API key"),
        A::UserCreated => ("good", "Added the user"),
        A::UserChanged => ("accent", "Changed the user"),
        A::UserDeleted => ("bad", "Deleted the user"),
        A::UserLinked => ("warn", "Made a password link for"),
        A::UserSignedOut => ("accent", "Signed out everywhere"),
        A::SignInOk => ("quiet", "Signed in"),
        A::SignInFailed => ("warn", "Failed to sign in"),
    }
}
