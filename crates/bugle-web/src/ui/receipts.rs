//! `/receipts`: every call as it came in. `/quarantine`: those that were not proven or not understood, to be let in once
//! the secret or the mapping is mended.

use askama::Template;
use axum::extract::State;
use bugle_model::{Integration, Receipt, ReceiptState, Scope, Timestamp, Verification};
use bugle_store::ReceiptFilter;
use url::form_urlencoded::Serializer;

use super::{
    excerpt::cut,
    format::{Ago, Tag},
    markdown::Markdown,
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::{app::App, input::Query};

#[derive(Template)]
#[template(path = "receipts.html")]
struct Receipts {
    page: Page,
    heading: &'static str,
    lead: &'static str,
    tabs: Vec<Tab>,
    path: &'static str,
    state: &'static str,
    sources: Vec<Choice>,
    rows: Vec<Row>,
    shows_source: bool,
    next: Option<String>,
    nothing: &'static str,
    /// The integration whose whole quarantine may be released.
    release: Option<Release>,
}

struct Tab {
    href: String,
    label: &'static str,
    is_current: bool,
}

struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

struct Release {
    id: String,
    name: String,
    state: &'static str,
}

/// A call on a list.
pub(super) struct Row {
    pub(super) href: String,
    pub(super) state: Tag<'static>,
    pub(super) proof: &'static str,
    pub(super) received: Ago,
    pub(super) source: String,
    pub(super) from: String,
    /// What is wrong with it, or what the sender calls the alert in it.
    pub(super) note: Markdown,
    /// Where it may be verified again.
    pub(super) reverify: Option<String>,
}

/// `GET /receipts`.
pub(super) async fn log(State(app): State<App>, viewer: Viewer, query: Query) -> Shown {
    let states = ReceiptState::ALL.map(|state| (state.as_str(), state));
    list(&app, &viewer, &query, &LOG, query.word("state", &states)?).await
}

/// `GET /quarantine`.
pub(super) async fn quarantine(State(app): State<App>, viewer: Viewer, query: Query) -> Shown {
    let states = QUARANTINED.map(|state| (state.as_str(), state));
    let state = query.word("state", &states)?.unwrap_or(ReceiptState::Rejected);
    list(&app, &viewer, &query, &QUARANTINE, Some(state)).await
}

const QUARANTINED: [ReceiptState; 2] = [ReceiptState::Rejected, ReceiptState::Undecodable];

/// What makes the two lists different.
struct Kind {
    path: &'static str,
    heading: &'static str,
    lead: &'static str,
    tabs: &'static [Option<ReceiptState>],
    nothing: &'static str,
}

const LOG: Kind = Kind {
    path: "/receipts",
    heading: "Calls",
    lead: "Every call that came in, as it came.",
    tabs: &[
        None,
        Some(ReceiptState::Processed),
        Some(ReceiptState::Ignored),
        Some(ReceiptState::Duplicate),
        Some(ReceiptState::Rejected),
        Some(ReceiptState::Undecodable),
    ],
    nothing: "No call fits. They appear here by themselves as they come.",
};

const QUARANTINE: Kind = Kind {
    path: "/quarantine",
    heading: "Quarantine",
    lead: "Calls that were kept but not acted on. Mend the secret or the mapping, then verify them again: what holds is \
           let in.",
    tabs: &[Some(ReceiptState::Rejected), Some(ReceiptState::Undecodable)],
    nothing: "Nothing is in quarantine here. That is as it should be.",
};

async fn list(app: &App, viewer: &Viewer, query: &Query, kind: &Kind, state: Option<ReceiptState>) -> Shown {
    let integration_id = query.id("integration_id")?;
    let found = app.store().receipts(ReceiptFilter { integration_id, state }, query.page()?).await?;
    let known = app.engine.integrations();
    let chosen = query.one("integration_id");
    let source = known.iter().find(|one| Some(one.id) == integration_id);
    let word = state.map_or("", ReceiptState::as_str);
    let now = app.now();
    let row = |receipt: &Receipt| {
        let source = known.iter().find(|one| one.id == receipt.integration_id).map(AsRef::as_ref);
        row(receipt, source, viewer, now)
    };
    let release = source.filter(|_| kind.path == QUARANTINE.path && viewer.may(Scope::Operate));
    show(&Receipts {
        page: viewer.page(kind.heading, address("/api/v1/receipts", chosen, word, None)),
        heading: kind.heading,
        lead: kind.lead,
        tabs: kind.tabs.iter().map(|tab| self::tab(kind, *tab, chosen, state)).collect(),
        path: kind.path,
        state: word,
        sources: choices(&known, chosen),
        shows_source: chosen.is_none(),
        rows: found.data.iter().map(row).collect(),
        next: found.next_cursor.map(|cursor| address(kind.path, chosen, word, Some(&cursor.to_string()))),
        nothing: kind.nothing,
        release: release.filter(|_| !found.data.is_empty()).map(|source| Release {
            id: source.id.to_string(),
            name: source.name.clone(),
            state: word,
        }),
    })
}

fn tab(kind: &Kind, tab: Option<ReceiptState>, source: Option<&str>, current: Option<ReceiptState>) -> Tab {
    Tab {
        href: address(kind.path, source, tab.map_or("", ReceiptState::as_str), None),
        label: tab.map_or("All", state_label),
        is_current: tab == current,
    }
}

fn choices(known: &[std::sync::Arc<Integration>], chosen: Option<&str>) -> Vec<Choice> {
    let any = Choice { value: String::new(), label: "Any source".into(), is_chosen: chosen.is_none() };
    let sources = known.iter().map(|one| (one.id.to_string(), one.name.clone()));
    // What came with a link is shown, though it is not offered: Bugle's own source, or one that was deleted.
    let other = chosen.filter(|chosen| known.iter().all(|one| one.id.to_string() != **chosen));
    let sources = sources.chain(other.map(|id| (id.to_owned(), id.to_owned())));
    let sources =
        sources.map(|(value, label)| Choice { is_chosen: chosen == Some(value.as_str()), value, label });
    [any].into_iter().chain(sources).collect()
}

/// The same list elsewhere, or its next page.
pub(super) fn address(path: &str, source: Option<&str>, state: &str, cursor: Option<&str>) -> String {
    let mut pairs = Serializer::new(String::new());
    pairs.extend_pairs(source.map(|source| ("integration_id", source)));
    pairs.extend_pairs((!state.is_empty()).then_some(("state", state)));
    pairs.extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
    let query = pairs.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A call as it stands on a list.
pub(super) fn row(receipt: &Receipt, source: Option<&Integration>, viewer: &Viewer, now: Timestamp) -> Row {
    let is_quarantined = QUARANTINED.contains(&receipt.state);
    Row {
        href: format!("/receipts/{}", receipt.id),
        state: state_tag(receipt.state),
        proof: proof(&receipt.verification),
        received: Ago { at: receipt.received_at, now },
        source: source.map_or_else(|| receipt.integration_id.to_string(), |source| source.name.clone()),
        from: receipt.remote_ip.to_string(),
        note: note(receipt),
        reverify: (is_quarantined && source.is_some() && viewer.may(Scope::Operate))
            .then(|| format!("/api/v1/receipts/{}/reverify", receipt.id)),
    }
}

/// What is wrong with it, or else which alert it is about.
fn note(receipt: &Receipt) -> Markdown {
    let about = || receipt.alert_key.as_ref().map_or("A call".to_owned(), |key| format!("Alert {key}"));
    Markdown::quoting(&cut(&wrong(receipt).unwrap_or_else(about), 400))
}

/// What is wrong with it, for a person.
pub(super) fn wrong(receipt: &Receipt) -> Option<String> {
    match (&receipt.verification, &receipt.problem) {
        (Verification::Failed { advice, .. }, _) => Some(advice.clone()),
        (_, problem) => problem.clone(),
    }
}

/// Where a call stands.
pub(super) fn state_tag(state: ReceiptState) -> Tag<'static> {
    let tone = match state {
        ReceiptState::Pending => "accent",
        ReceiptState::Processed => "good",
        ReceiptState::Ignored | ReceiptState::Duplicate => "quiet",
        ReceiptState::Rejected => "bad",
        ReceiptState::Undecodable => "warn",
    };
    Tag { tone, text: state_label(state) }
}

const fn state_label(state: ReceiptState) -> &'static str {
    match state {
        ReceiptState::Pending => "Received",
        ReceiptState::Processed => "Processed",
        ReceiptState::Ignored => "Ignored",
        ReceiptState::Duplicate => "Duplicate",
        ReceiptState::Rejected => "Rejected",
        ReceiptState::Undecodable => "Not understood",
    }
}

/// Whether its sender is proven.
pub(super) const fn proof(verification: &Verification) -> &'static str {
    match verification {
        Verification::Verified { .. } => "Proven",
        Verification::Unverified => "Unverified",
        Verification::Failed { .. } => "Not proven",
    }
}
