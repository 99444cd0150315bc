//! `/receipts/{id}`: one call as it came, what was made of it, and trying again.

use std::fmt::Write as _;

use askama::Template;
use axum::extract::State;
use bugle_model::{Integration, Receipt, ReceiptId, ReceiptState, Scope, Signal, SignalStatus, Verification};
use bugle_platforms::{Inbound, json, table};
use bugle_store::SignalOutcome;

use super::{
    excerpt::{Json, Room, cut},
    format::{Ago, Copyable, SeverityTag, Tag, count},
    markdown::Markdown,
    page::{Page, Shown, show},
    receipts::{proof, state_tag, wrong},
    session::Viewer,
};
use crate::{
    app::App,
    error::ApiError,
    input::{self, PathOf},
    routes::{shown_query, shown_value},
};

/// Bytes that all headers and the body may take on the page.
const HEADERS_ROOM: usize = 12 * 1024;
const BODY_ROOM: usize = 32 * 1024;
/// Headers shown, and bytes of each.
const HEADERS_MAX: usize = 100;
const HEADER_MAX: usize = 1024;
/// Bytes of a body that is not text which are shown.
const HEX_MAX: usize = 2 * 1024;
/// Signals shown; a call may hold many more.
const SIGNALS_MAX: usize = 50;

#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptPage {
    page: Page,
    id: Copyable,
    twin: String,
    state: Tag<'static>,
    proof: Proof,
    wrong: Option<Markdown>,
    received: Ago,
    source: String,
    source_href: Option<String>,
    from: String,
    request_id: Copyable,
    does: Vec<Does>,
    /// Why nothing was done, or that more was done than is shown.
    does_note: &'static str,
    request_line: String,
    headers: Vec<(String, String)>,
    body: Body,
    /// Where it may be verified again or replayed.
    reverify: Option<String>,
    replay: Option<String>,
}

struct Proof {
    tag: Tag<'static>,
    how: String,
}

/// What one signal says, and what it did.
struct Does {
    title: String,
    severity: Option<SeverityTag>,
    says: &'static str,
    did: &'static str,
    incident: Option<String>,
    fingerprint: String,
}

struct Body {
    size: String,
    note: &'static str,
    json: Option<Json>,
    /// What is no JSON.
    text: String,
    is_cut: bool,
}

/// `GET /receipts/{id}`.
pub(super) async fn page(State(app): State<App>, viewer: Viewer, PathOf(text): PathOf<String>) -> Shown {
    let id: ReceiptId = input::id("receipt", &text)?;
    let found = app.store().receipt(id).await?;
    let (receipt, outcomes) = found.ok_or_else(|| ApiError::not_found("receipt", &text))?;
    let integration = app.engine.integration(&receipt.integration_id.to_string()).ok();
    let integration = integration.as_deref();
    let twin = format!("/api/v1/receipts/{id}");
    let query = shown_query(&receipt.head.query);
    let platform = integration.map_or("…", |one| one.platform.as_str());
    let mark = if query.is_empty() { "" } else { "?" };
    let (method, to) = (&receipt.head.method, receipt.integration_id);
    let request_line = cut(&format!("{method} /api/v1/webhooks/{platform}/{to}{mark}{query}"), 1024);
    let may_act = viewer.may(Scope::Operate) && integration.is_some_and(|one| !one.is_built_in());
    let is_failed = matches!(receipt.verification, Verification::Failed { .. });
    let is_quarantined = matches!(receipt.state, ReceiptState::Rejected | ReceiptState::Undecodable);
    let does = does(&receipt, integration, &outcomes);
    show(&ReceiptPage {
        page: viewer.page("Call", twin.clone()),
        id: Copyable(text),
        state: state_tag(receipt.state),
        proof: proof_of(&receipt, integration),
        wrong: wrong(&receipt).map(|text| Markdown::quoting(&text)),
        received: Ago { at: receipt.received_at, now: app.now() },
        source: integration.map_or_else(|| format!("{to}, deleted"), |one| one.name.clone()),
        source_href: integration.map(|one| format!("/sources/{}", one.id)),
        from: receipt.remote_ip.to_string(),
        request_id: Copyable(receipt.correlation_id.clone()),
        does_note: does_note(receipt.state, does.len()),
        does,
        request_line,
        headers: headers(&receipt),
        body: body(&receipt.body),
        reverify: (may_act && is_quarantined).then(|| format!("{twin}/reverify")),
        replay: (may_act && !is_failed).then(|| format!("{twin}/replay")),
        twin,
    })
}

fn proof_of(receipt: &Receipt, integration: Option<&Integration>) -> Proof {
    let text = proof(&receipt.verification);
    let (tone, how) = match &receipt.verification {
        Verification::Verified { .. } if integration.is_some_and(Integration::is_built_in) => {
            ("good", "written by Bugle itself".to_owned())
        }
        Verification::Verified { scheme, secret_id } => {
            ("good", format!("{scheme}, with secret {secret_id}"))
        }
        Verification::Unverified => {
            ("warn", "the source has no secret, so anybody may have sent it".to_owned())
        }
        Verification::Failed { reason, .. } => ("bad", reason.replace('_', " ")),
    };
    Proof { tag: Tag { tone, text }, how }
}

/// Reads the call again for what it says, beside what it did when it was processed.
fn does(receipt: &Receipt, integration: Option<&Integration>, outcomes: &[SignalOutcome]) -> Vec<Does> {
    let read = integration.and_then(|one| Some((table::source(&one.platform)?, &one.settings)));
    let head = &receipt.head;
    let inbound = Inbound { query: &head.query, headers: &head.headers, body: &receipt.body };
    let decoded = read.and_then(|(source, settings)| source.decode(&inbound, settings).ok());
    let signals = decoded.map(|decoded| decoded.signals).unwrap_or_default();
    let length = signals.len().max(outcomes.len()).min(SIGNALS_MAX);
    // Where the mapping changed since, what it says now need not belong to what it did then.
    let is_as_then = signals.len() == outcomes.len() || outcomes.is_empty();
    let says = |index: usize| signals.get(index).filter(|_| is_as_then);
    (0..length).map(|index| one(says(index), outcomes.get(index))).collect()
}

fn one(signal: Option<&Signal>, outcome: Option<&SignalOutcome>) -> Does {
    let incident = outcome.and_then(|outcome| outcome.incident_id);
    Does {
        title: signal.map_or_else(|| "An alert".to_owned(), |signal| cut(&signal.title, 300)),
        severity: signal.and_then(|signal| signal.severity).map(SeverityTag),
        says: signal.map_or("", |signal| status_word(signal.status)),
        did: outcome.map_or("", |outcome| meaning_words(&outcome.meaning)),
        incident: incident.map(|id| format!("/incidents/{id}")),
        fingerprint: signal.map(|signal| cut(&signal.fingerprint, 120)).unwrap_or_default(),
    }
}

const fn status_word(status: SignalStatus) -> &'static str {
    match status {
        SignalStatus::Firing => "firing",
        SignalStatus::Acknowledged => "acknowledged",
        SignalStatus::Updated => "updated",
        SignalStatus::Resolved => "resolved",
    }
}

/// What a signal meant, told to a person.
fn meaning_words(meaning: &str) -> &'static str {
    match meaning {
        "opened" => "began a new cycle of the alert",
        "opened_late" => "came after its own end, so it is over already",
        "updated" => "changed the alert",
        "acknowledged" => "somebody at the source has it",
        "unacknowledged" => "nobody at the source has it any more",
        "resolved" => "ended the alert",
        "resolved_unknown" => "ended an alert that was not known to fire",
        "repeated" => "said what was known already",
        "stale" => "was older than what was known, so it changed nothing",
        _ => "was taken in",
    }
}

const fn does_note(state: ReceiptState, shown: usize) -> &'static str {
    match (state, shown) {
        (_, SIGNALS_MAX..) => "There may be more: the JSON has all of them.",
        (ReceiptState::Pending, _) => "It waits for its turn.",
        (ReceiptState::Rejected, _) => "Nothing was done with it: its sender is not proven.",
        (ReceiptState::Duplicate, _) => "Nothing was done with it: the same call came before.",
        (ReceiptState::Undecodable, _) => "Nothing was done with it: it was not understood.",
        (ReceiptState::Ignored, _) => "It says nothing about any alert.",
        (ReceiptState::Processed, 0) => "It changed nothing.",
        (ReceiptState::Processed, _) => "",
    }
}

/// The headers, credentials hidden, as far as there is room.
fn headers(receipt: &Receipt) -> Vec<(String, String)> {
    let mut room = Room::of(HEADERS_ROOM);
    let headers = receipt.head.headers.iter().take(HEADERS_MAX);
    headers.map(|(name, value)| (room.take(name, 200), room.take(shown_value(value), HEADER_MAX))).collect()
}

fn body(bytes: &[u8]) -> Body {
    let size = format!("{} bytes", count(bytes.len() as u64));
    let Ok(text) = std::str::from_utf8(bytes) else {
        let text = hex(bytes.get(..HEX_MAX).unwrap_or(bytes));
        let is_cut = bytes.len() > HEX_MAX;
        return Body { size, note: "not text: shown as bytes", json: None, text, is_cut };
    };
    if json::parse(bytes).is_ok() {
        let json = Json::of(text, BODY_ROOM);
        return Body { size, note: "JSON", is_cut: json.is_cut, json: Some(json), text: String::new() };
    }
    let shown = cut(text, BODY_ROOM);
    Body { size, note: "text", json: None, is_cut: shown != text, text: shown }
}

/// Sixteen bytes a line, with their place before and their letters behind.
fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (index, line) in bytes.chunks(16).enumerate() {
        let pairs: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let letters: String =
            line.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
        // Writing to memory does not fail.
        writeln!(out, "{:06x}  {:47}  {letters}", index * 16, pairs.join(" ")).ok();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_shown_as_what_it_is() {
        for (bytes, text, note) in [
            (&b"{\"a\":[1.50]}"[..], "{\n  \"a\": [\n    1.50\n  ]\n}", "JSON"),
            (b"{\"a\":", "{\"a\":", "text"),
            (b"alert=down&x", "alert=down&x", "text"),
            (
                b"\xffab",
                "000000  ff 61 62                                         .ab\n",
                "not text: shown as bytes",
            ),
            (b"", "", "text"),
        ] {
            let body = body(bytes);
            let shown = body.json.map_or(body.text, |json| json.to_string());
            assert_eq!((shown.as_str(), body.note, body.is_cut), (text, note, false));
        }
    }
}
