//! `/sources/{id}`: one source. The wizard's last steps while it was never heard, and later what came and what may be
//! changed.

use askama::Template;
use axum::extract::State;
use bugle_model::{Integration, Receipt, ReceiptState, Scope, Timestamp};
use bugle_platforms::{
    Source,
    source::{COMMON_SETTINGS, Setting},
    table,
};
use bugle_store::{PageRequest, ReceiptFilter};
use http::HeaderMap;
use serde_json::Value;

use super::{
    format::{Ago, Copyable},
    markdown::{Markdown, Sections},
    page::{Page, Shown, show},
    receipts::{self, Row},
    session::Viewer,
    sources,
};
use crate::{
    app::App,
    input::{PathOf, Query},
    routes::{base_url, webhook_url},
};

/// Calls shown here; the others are a click away.
const CALLS_SHOWN: u32 = 20;

#[derive(Template)]
#[template(path = "source.html")]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that is shown or not")]
struct SourcePage {
    page: Page,
    id: String,
    copy_id: Copyable,
    name: String,
    platform: &'static str,
    status: Status,
    url: Copyable,
    is_built_in: bool,
    is_enabled: bool,
    may_configure: bool,
    may_test: bool,
    secrets: Vec<SecretRow>,
    no_secret: bool,
    allowed_ips: String,
    rate_limit: String,
    settings: Vec<Field>,
    rows: Vec<Row>,
    shows_source: bool,
    calls: String,
    quarantine: String,
    /// The steps, until a call gets in; later they are at hand below what came.
    steps: Option<Guide>,
    reference: Option<Guide>,
}

/// How it does, at a glance, and what to do about it.
struct Status {
    tone: &'static str,
    heading: &'static str,
    text: Markdown,
    last: Option<Ago>,
    /// The call that is spoken of.
    href: Option<String>,
    reverify: Option<String>,
}

struct SecretRow {
    id: String,
    made: Ago,
    ends: Option<Ago>,
    remove: Option<String>,
}

/// A setting in the form.
struct Field {
    name: &'static str,
    doc: Markdown,
    value: String,
    choices: Vec<(&'static str, bool)>,
    /// What the script makes of what is written.
    kind: &'static str,
    is_long: bool,
}

/// What to do at the platform's side, from its `SETUP.md`.
struct Guide {
    intro: Markdown,
    steps: Vec<Part>,
    more: Vec<Part>,
    is_open: bool,
}

struct Part {
    title: String,
    text: Markdown,
}

/// `GET /sources/{id}`.
pub(super) async fn page(
    State(app): State<App>,
    viewer: Viewer,
    PathOf(text): PathOf<String>,
    headers: HeaderMap,
    _: Query,
) -> Shown {
    let integration = app.engine.integration(&text)?;
    let one = integration.as_ref();
    let filter = ReceiptFilter { integration_id: Some(one.id), state: None };
    let calls = app.store().receipts(filter, PageRequest { cursor: None, limit: CALLS_SHOWN }).await?.data;
    let (now, id) = (app.now(), one.id.to_string());
    let is_built_in = one.is_built_in();
    let may_configure = viewer.may(Scope::Admin) && !is_built_in;
    let source = table::source(&one.platform);
    let url = webhook_url(&app, &headers, one);
    let works = calls.iter().any(is_in);
    let guide = table::setup(&one.platform).map(|text| {
        let text = text.replace(&example_of(one), &url).replace(EXAMPLE_BASE, &base_url(&app, &headers));
        guide(&text, !works)
    });
    let (steps, reference) = if works { (None, guide) } else { (guide, None) };
    show(&SourcePage {
        page: viewer.page(one.name.clone(), format!("/api/v1/integrations/{id}")),
        copy_id: Copyable(id.clone()),
        name: one.name.clone(),
        platform: sources::title(&one.platform),
        status: status(one, &calls, viewer.may(Scope::Operate), now),
        url: Copyable(url),
        is_built_in,
        is_enabled: one.enabled,
        may_configure,
        may_test: viewer.may(Scope::Operate) && !is_built_in && one.enabled,
        secrets: secrets(one, may_configure, now),
        no_secret: one.secrets.is_empty() && !is_built_in,
        allowed_ips: one.allowed_ips.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        rate_limit: one.rate_limit.map(|limit| limit.to_string()).unwrap_or_default(),
        settings: source.map(|source| fields(source, one)).unwrap_or_default(),
        rows: calls.iter().map(|call| receipts::row(call, Some(one), &viewer, now)).collect(),
        shows_source: false,
        calls: receipts::address("/receipts", Some(&id), "", None),
        quarantine: receipts::address("/quarantine", Some(&id), "", None),
        steps,
        reference,
        id,
    })
}

/// How an integration's address stands in a `SETUP.md`.
const EXAMPLE_BASE: &str = "https://bugle.example.com";

fn example_of(integration: &Integration) -> String {
    format!("{EXAMPLE_BASE}/api/v1/webhooks/{}/INTEGRATION_ID", integration.platform)
}

fn status(integration: &Integration, calls: &[Receipt], may_act: bool, now: Timestamp) -> Status {
    let last = calls.first();
    let expired = !integration.secrets.is_empty() && integration.active_secrets(now).next().is_none();
    let (tone, heading, text) = match last {
        _ if !integration.enabled => {
            ("quiet", "Disabled", "Its calls are refused until it is enabled again.".to_owned())
        }
        _ if expired => {
            ("bad", "Every secret has expired", "All calls are refused: add a secret.".to_owned())
        }
        None if integration.is_built_in() => ("good", "Nothing to report", "All was well so far.".to_owned()),
        None => (
            "wait",
            "Waiting for the first call",
            "This turns green by itself when one comes in, and says what is wrong when one does not get in."
                .to_owned(),
        ),
        Some(call) if call.state == ReceiptState::Rejected => {
            ("bad", "The last call was refused", receipts::wrong(call).unwrap_or_default())
        }
        Some(call) if call.state == ReceiptState::Undecodable => {
            ("warn", "The last call was not understood", receipts::wrong(call).unwrap_or_default())
        }
        Some(call) => ("good", "It works", good_words(call).to_owned()),
    };
    let is_bad = last.filter(|call| tone != "quiet" && !is_in(call));
    Status {
        tone,
        heading,
        text: Markdown::quoting(&text),
        last: last.map(|call| Ago { at: call.received_at, now }),
        href: last.map(|call| format!("/receipts/{}", call.id)),
        reverify: is_bad.filter(|_| may_act).map(|call| format!("/api/v1/receipts/{}/reverify", call.id)),
    }
}

/// Whether it was let in.
const fn is_in(call: &Receipt) -> bool {
    !matches!(call.state, ReceiptState::Rejected | ReceiptState::Undecodable)
}

fn good_words(call: &Receipt) -> &'static str {
    match (&call.verification, call.state) {
        (bugle_model::Verification::Unverified, _) => {
            "Calls get in. Nothing proves who sends them: add a secret."
        }
        (_, ReceiptState::Ignored) => "The last call got in, and said nothing about any alert.",
        _ => "Calls get in, and their sender is proven.",
    }
}

fn secrets(integration: &Integration, may_remove: bool, now: Timestamp) -> Vec<SecretRow> {
    let active: Vec<_> = integration.active_secrets(now).collect();
    let may_remove = may_remove && active.len() > 1;
    let row = |secret: &&bugle_model::Secret| SecretRow {
        id: secret.id.to_string(),
        made: Ago { at: secret.created_at, now },
        ends: secret.expires_at.map(|at| Ago { at, now }),
        remove: may_remove.then(|| format!("/api/v1/integrations/{}/secrets/{}", integration.id, secret.id)),
    };
    active.iter().map(row).collect()
}

fn fields(source: &dyn Source, integration: &Integration) -> Vec<Field> {
    let settings = COMMON_SETTINGS.iter().chain(source.settings());
    settings.map(|setting| field(setting, integration.settings.get(setting.name))).collect()
}

fn field(setting: &Setting, value: Option<&Value>) -> Field {
    let is_structure =
        setting.name == "mapping" || value.is_some_and(|value| value.is_object() || value.is_array());
    let is_number = setting.name == "reopen_window_seconds" || value.is_some_and(Value::is_number);
    let text = match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) if is_structure => format!("{value:#}"),
        Some(value) => value.to_string(),
    };
    Field {
        name: setting.name,
        doc: Markdown::inline(setting.doc),
        choices: setting.choices.iter().map(|word| (*word, *word == text)).collect(),
        kind: match (is_structure, is_number) {
            (true, _) => "json",
            (_, true) => "number",
            _ => "text",
        },
        is_long: is_structure,
        value: text,
    }
}

fn guide(text: &str, is_open: bool) -> Guide {
    let page = Sections::of(text);
    let proof = page.sections.iter().position(|(title, _)| *title == "How calls are proven");
    let parts = page.sections.iter().filter(|(title, _)| *title != "As a destination");
    let part = |&(title, text): &(&str, &str)| Part { title: title.to_owned(), text: Markdown::of(text) };
    let steps = proof.unwrap_or(page.sections.len());
    Guide {
        intro: Markdown::of(page.intro),
        steps: parts.clone().take(steps).map(part).collect(),
        more: parts.skip(steps).map(part).collect(),
        is_open,
    }
}
