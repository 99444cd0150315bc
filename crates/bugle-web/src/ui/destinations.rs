//! `/destinations`: everybody who is told of changes, and how each does.

use askama::Template;
use axum::extract::State;
use bugle_model::{Circuit, Destination, Scope, Timestamp, destination::CircuitPhase};
use bugle_platforms::table;
use bugle_store::Backlog;

use super::{
    format::{Tag, count, span_words},
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::app::App;

#[derive(Template)]
#[template(path = "destinations.html")]
struct Destinations {
    page: Page,
    rows: Vec<Row>,
    may_add: bool,
}

struct Row {
    href: String,
    name: String,
    state: Tag<'static>,
    dialect: String,
    url: String,
    waiting: String,
    oldest: String,
}

/// `GET /destinations`.
pub(super) async fn page(State(app): State<App>, viewer: Viewer) -> Shown {
    let (backlogs, now) = (app.store().backlog().await?, app.now());
    let rows = app.engine.destinations();
    show(&Destinations {
        page: viewer.page("Destinations", "/api/v1/destinations"),
        rows: rows.iter().map(|(one, circuit)| row(one, *circuit, &backlogs, now)).collect(),
        may_add: viewer.may(Scope::Admin),
    })
}

fn row(one: &Destination, circuit: Circuit, backlogs: &[Backlog], now: Timestamp) -> Row {
    let backlog = backlogs.iter().find(|backlog| backlog.destination_id == one.id);
    let waiting = backlog.map_or(0, |backlog| backlog.unsettled);
    let oldest = backlog.and_then(|backlog| backlog.oldest).filter(|_| waiting > 0);
    Row {
        href: format!("/destinations/{}", one.id),
        name: one.name.clone(),
        state: state(one, circuit),
        dialect: dialect_title(&one.dialect),
        url: one.shown_url(),
        waiting: if waiting == 0 { "Nothing".to_owned() } else { count(waiting) },
        oldest: oldest.map(|oldest| format!("for {}", span_words(now.since(oldest)))).unwrap_or_default(),
    }
}

/// How a destination does, in a word.
pub(super) fn state(one: &Destination, circuit: Circuit) -> Tag<'static> {
    let (tone, text) = match circuit.phase {
        _ if !one.enabled => ("quiet", "Disabled"),
        CircuitPhase::Open => ("bad", "Circuit open"),
        CircuitPhase::HalfOpen => ("warn", "Trying again"),
        CircuitPhase::Closed if circuit.consecutive_failures > 0 => ("warn", "Failing"),
        CircuitPhase::Closed => ("good", "Fine"),
    };
    Tag { tone, text }
}

/// What a dialect is called.
pub(super) fn dialect_title(slug: &str) -> String {
    table::dialect(slug).map_or(slug, |dialect| dialect.title()).to_owned()
}
