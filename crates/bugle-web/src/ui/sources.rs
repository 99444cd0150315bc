//! `/sources`: everything that sends alerts here, and how each does.

use askama::Template;
use axum::extract::State;
use bugle_engine::activity::Heardings;
use bugle_model::{Integration, Receipt, ReceiptState, Scope, Timestamp, integration::BUILT_IN_ID};
use bugle_platforms::table;
use bugle_store::{PageRequest, ReceiptFilter};

use super::{
    format::{Ago, Tag, count, counted},
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::{app::App, input::Query};

/// Calls that are looked at, of each kind: the newest of all sources.
const LOOKED_AT: u32 = 200;

#[derive(Template)]
#[template(path = "sources.html")]
struct Sources {
    page: Page,
    rows: Vec<Row>,
    built_in: Option<Row>,
    may_configure: bool,
    quarantine: Option<String>,
}

struct Row {
    href: String,
    name: String,
    platform: &'static str,
    state: Tag<'static>,
    heard: Option<Ago>,
    last_hour: String,
    note: String,
}

/// What the newest calls say of each source.
struct Lately {
    newest: Vec<Receipt>,
    rejected: Vec<Receipt>,
    undecodable: Vec<Receipt>,
}

/// `GET /sources`.
pub(super) async fn page(State(app): State<App>, viewer: Viewer, _: Query) -> Shown {
    let newest = |state| {
        let filter = ReceiptFilter { integration_id: None, state };
        app.store().receipts(filter, PageRequest { cursor: None, limit: LOOKED_AT })
    };
    let lately = Lately {
        newest: newest(None).await?.data,
        rejected: newest(Some(ReceiptState::Rejected)).await?.data,
        undecodable: newest(Some(ReceiptState::Undecodable)).await?.data,
    };
    let now = app.now();
    let row = |one: &Integration| row(one, app.engine.heard_of(one.id), &lately, now);
    let mut known = app.engine.integrations();
    known.sort_by_key(|one| one.name.to_lowercase());
    let quarantined = lately.rejected.len() + lately.undecodable.len();
    show(&Sources {
        page: viewer.page("Sources", "/api/v1/integrations"),
        rows: known.iter().map(|one| row(one)).collect(),
        built_in: app.engine.integration(&BUILT_IN_ID.to_string()).ok().map(|one| row(&one)),
        may_configure: viewer.may(Scope::Admin),
        quarantine: (quarantined > 0).then(|| at_most(quarantined)),
    })
}

fn row(integration: &Integration, heard: Heardings, lately: &Lately, now: Timestamp) -> Row {
    let of = |receipts: &'_ [Receipt]| {
        receipts.iter().filter(|receipt| receipt.integration_id == integration.id).count()
    };
    let last = lately.newest.iter().find(|receipt| receipt.integration_id == integration.id);
    let notes = [(of(&lately.rejected), "rejected"), (of(&lately.undecodable), "not understood")];
    let notes = notes.into_iter().filter(|(count, _)| *count > 0);
    Row {
        href: format!("/sources/{}", integration.id),
        name: integration.name.clone(),
        platform: title(&integration.platform),
        state: state(integration, last.map(|receipt| receipt.state), now),
        heard: heard.last_heard_at.max(last.map(|receipt| receipt.received_at)).map(|at| Ago { at, now }),
        last_hour: last_hour(heard),
        note: notes.map(|(count, what)| format!("{} {what}", at_most(count))).collect::<Vec<_>>().join(", "),
    }
}

/// Calls of the last hour, and how many of them did not get in.
fn last_hour(heard: Heardings) -> String {
    let lost = heard.rejected + heard.undecodable + heard.not_stored;
    let all = format!("{} in the last hour", counted(heard.accepted + lost, "call", "calls"));
    if lost == 0 { all } else { format!("{all}, {} not let in", count(lost)) }
}

fn at_most(found: usize) -> String {
    let mark = if found >= LOOKED_AT as usize { "+" } else { "" };
    format!("{}{mark}", count(found as u64))
}

/// The platform's name for people.
pub(super) fn title(platform: &str) -> &'static str {
    table::source(platform).map_or("a platform that this version does not know", |source| source.title())
}

/// How a source does, as its last call tells.
pub(super) fn state(integration: &Integration, last: Option<ReceiptState>, now: Timestamp) -> Tag<'static> {
    let needs_secret = !integration.secrets.is_empty() && integration.active_secrets(now).next().is_none();
    let (tone, text) = match last {
        _ if integration.is_built_in() => ("quiet", "Built in"),
        _ if !integration.enabled => ("quiet", "Disabled"),
        _ if needs_secret => ("bad", "Secret expired"),
        Some(ReceiptState::Rejected) => ("bad", "Last call rejected"),
        Some(ReceiptState::Undecodable) => ("warn", "Last call not understood"),
        Some(_) => ("good", "Fine"),
        None => ("quiet", "Quiet"),
    };
    Tag { tone, text }
}
