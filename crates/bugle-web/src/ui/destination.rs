//! `/destinations/{id}`: how one does, what it was sent, and what can be done about it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use bugle_engine::{activity::Deliveries, dispatch::CircuitChange};
use bugle_model::{
    Circuit, Delivery, DeliveryState, Destination, IncidentId, Scope, Secret, Timestamp,
    destination::CircuitPhase,
};
use bugle_store::{Backlog, DeliveryFilter};

use super::{
    destinations::{dialect_title, state},
    format::{Ago, Copyable, Tag, count, counted, span_words},
    now::places::{milliseconds, success},
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::{
    app::App,
    input::{PathOf, Query},
};

#[derive(Template)]
#[template(path = "destination.html")]
struct One {
    page: Page,
    id: String,
    lead: String,
    state: Tag<'static>,
    trouble: Option<Trouble>,
    tiles: Vec<Tile>,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    nothing: &'static str,
    next: Option<String>,
    facts: Vec<(&'static str, String)>,
    shown_id: Copyable,
    made: Ago,
    secrets: Vec<SecretRow>,
    changes: Vec<Change>,
    is_enabled: bool,
    may_operate: bool,
    may_configure: bool,
}

/// What is wrong, and what that means.
struct Trouble {
    tone: &'static str,
    heading: &'static str,
    sentence: String,
    /// The next attempt.
    next: Option<Ago>,
}

struct Tile {
    class: &'static str,
    label: &'static str,
    value: String,
}

struct Tab {
    href: String,
    label: &'static str,
    is_current: bool,
}

/// A delivery.
pub(super) struct Row {
    href: String,
    title: String,
    facts: String,
    state: Tag<'static>,
    created: Ago,
    /// What sends it again.
    redeliver: Option<String>,
}

struct SecretRow {
    id: String,
    made: Ago,
    ends: Option<Ago>,
}

struct Change {
    tone: &'static str,
    text: &'static str,
    note: String,
    at: Ago,
}

/// `GET /destinations/{id}`.
pub(super) async fn page(
    State(app): State<App>,
    viewer: Viewer,
    PathOf(id): PathOf<String>,
    query: Query,
) -> Shown {
    let (one, circuit) = app.engine.destination(&id)?;
    let states = DeliveryState::ALL.map(|state| (state.as_str(), state));
    let chosen = query.word("state", &states)?;
    let filter = DeliveryFilter { destination_id: Some(one.id), state: chosen, ..DeliveryFilter::default() };
    let deliveries = app.store().deliveries(filter, query.page()?).await?;
    let mut ids: Vec<IncidentId> = deliveries.data.iter().map(|row| row.incident_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let incidents = app.store().incidents_for(ids, Vec::new()).await?;
    let titles: HashMap<_, _> = incidents.into_iter().map(|one| (one.id, one.title)).collect();
    let backlogs = app.store().backlog().await?;
    let backlog = backlogs.iter().find(|backlog| backlog.destination_id == one.id);
    let (now, path, may_operate) = (app.now(), format!("/destinations/{id}"), viewer.may(Scope::Operate));
    let address = |cursor: &bugle_model::Cursor| {
        let state = chosen.map(|state| format!("state={}&", state.as_str())).unwrap_or_default();
        format!("{path}?{state}cursor={cursor}")
    };
    show(&One {
        page: viewer.page(one.name.clone(), format!("/api/v1{path}")),
        lead: format!("{} to {}", dialect_title(&one.dialect), one.shown_url()),
        state: state(&one, circuit),
        trouble: trouble(&one, circuit, now),
        tiles: tiles(backlog, circuit, app.engine.sent_to(one.id), now),
        tabs: tabs(&path, chosen),
        rows: deliveries.data.iter().map(|row| delivery_row(row, &titles, may_operate, now)).collect(),
        nothing: if chosen.is_some() {
            "No delivery is in this state."
        } else {
            "Nothing was sent yet: it begins with the next event that this destination wants."
        },
        next: deliveries.next_cursor.as_ref().map(address),
        facts: facts(&one),
        shown_id: Copyable(one.id.to_string()),
        made: Ago { at: one.created_at, now },
        secrets: one.active_secrets(now).map(|secret| secret_row(secret, now)).collect(),
        changes: app.engine.circuit_changes(one.id).iter().take(10).map(|at| change(at, now)).collect(),
        is_enabled: one.enabled,
        may_operate,
        may_configure: viewer.may(Scope::Admin),
        id,
    })
}

fn trouble(one: &Destination, circuit: Circuit, now: Timestamp) -> Option<Trouble> {
    let next = circuit.wait_until.filter(|at| *at > now).map(|at| Ago { at, now });
    let failures = counted(circuit.consecutive_failures.into(), "attempt", "attempts");
    let open = |heading, tone| {
        let since = circuit.opened_at.map(|at| format!(" {} ago", span_words(now.since(at))));
        let sentence = format!(
            "{failures} in a row failed, and the circuit opened{}. None is lost: from time to time one attempt is made to see whether the receiver is back.",
            since.unwrap_or_default()
        );
        Some(Trouble { tone, heading, sentence, next })
    };
    match circuit.phase {
        _ if !one.enabled => {
            let reason = one.disabled_reason.as_ref().map(|reason| format!("{reason}. "));
            let sentence =
                format!("{}What it should get waits until it is enabled.", reason.unwrap_or_default());
            Some(Trouble { tone: "warn", heading: "It is disabled", sentence, next: None })
        }
        CircuitPhase::Open => open("The circuit is open: deliveries wait", "bad"),
        CircuitPhase::HalfOpen => open("The circuit is open: a probe is under way", "warn"),
        CircuitPhase::Closed if circuit.consecutive_failures > 0 => {
            let sentence = format!("{failures} in a row failed. Each is tried again by its retry policy.");
            Some(Trouble { tone: "warn", heading: "Attempts fail", sentence, next })
        }
        CircuitPhase::Closed => None,
    }
}

fn tiles(backlog: Option<&Backlog>, circuit: Circuit, sent: Deliveries, now: Timestamp) -> Vec<Tile> {
    let waiting = backlog.map_or(0, |backlog| backlog.unsettled);
    let oldest = backlog.and_then(|backlog| backlog.oldest).filter(|_| waiting > 0);
    let tile = |label, value, is_none| Tile { class: if is_none { "none" } else { "" }, label, value };
    let failures = circuit.consecutive_failures;
    let attempts = sent.delivered + sent.failed;
    vec![
        tile("Waiting", count(waiting), waiting == 0),
        tile(
            "Oldest waits for",
            oldest.map_or("–".to_owned(), |oldest| span_words(now.since(oldest))),
            oldest.is_none(),
        ),
        tile("Failures in a row", count(failures.into()), failures == 0),
        tile("Worked in the last hour", success(sent.delivered, attempts), attempts == 0),
        tile("Slowest of twenty", sent.p95_ms.map_or("–".to_owned(), milliseconds), sent.p95_ms.is_none()),
    ]
}

fn tabs(path: &str, chosen: Option<DeliveryState>) -> Vec<Tab> {
    let all = Tab { href: path.to_owned(), label: "All", is_current: chosen.is_none() };
    let others = DeliveryState::ALL.into_iter().map(|state| Tab {
        href: format!("{path}?state={}", state.as_str()),
        label: state_label(state),
        is_current: chosen == Some(state),
    });
    [all].into_iter().chain(others).collect()
}

const fn state_label(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Pending => "Waiting",
        DeliveryState::Blocked => "Behind another",
        DeliveryState::Delivered => "Delivered",
        DeliveryState::Dead => "Given up",
        DeliveryState::Skipped => "Skipped",
    }
}

/// Where a delivery stands.
pub(super) fn delivery_state(delivery: &Delivery) -> Tag<'static> {
    let tone = match delivery.state {
        DeliveryState::Pending if delivery.attempts > delivery.attempts_forgiven => "warn",
        DeliveryState::Pending => "accent",
        DeliveryState::Blocked | DeliveryState::Skipped => "quiet",
        DeliveryState::Delivered => "good",
        DeliveryState::Dead => "bad",
    };
    Tag { tone, text: state_label(delivery.state) }
}

/// A reason as people read it: `status_503` is what the receiver answered, others are words of ours.
pub(super) fn reason_words(reason: &str) -> String {
    match reason.strip_prefix("status_") {
        Some(status) => format!("the receiver answered {status}"),
        None => match reason {
            "timeout" => "no answer in time".to_owned(),
            "dns" => "the name did not resolve".to_owned(),
            "connect" => "no connection".to_owned(),
            "tls" => "the TLS handshake failed".to_owned(),
            "io" => "the connection broke".to_owned(),
            "address_forbidden" => "the address is private, and not allowed".to_owned(),
            "render" => "the request could not be written".to_owned(),
            other => other.to_owned(),
        },
    }
}

fn delivery_row(
    row: &Delivery,
    titles: &HashMap<IncidentId, String>,
    may_operate: bool,
    now: Timestamp,
) -> Row {
    let facts = [
        Some(format!("event {}", row.sequence)),
        (row.attempts > 0).then(|| counted(row.attempts.into(), "attempt", "attempts")),
        row.reason.as_deref().filter(|_| row.state != DeliveryState::Delivered).map(reason_words),
    ];
    Row {
        href: format!("/deliveries/{}", row.id),
        title: titles.get(&row.incident_id).cloned().unwrap_or_else(|| row.incident_id.to_string()),
        facts: facts.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        state: delivery_state(row),
        created: Ago { at: row.created_at, now },
        redeliver: (may_operate && row.state == DeliveryState::Dead)
            .then(|| format!("/api/v1/deliveries/{}/redeliver", row.id)),
    }
}

fn facts(one: &Destination) -> Vec<(&'static str, String)> {
    let list = |words: Vec<&str>, none: &str| {
        if words.is_empty() { none.to_owned() } else { words.join(", ") }
    };
    let filter = &one.filter;
    let labels = filter.labels.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>();
    let severities = filter.severities.iter().map(|severity| severity.as_str()).collect();
    let policy = &one.retry;
    let retry = format!(
        "{} attempts, the second after {}, each wait {} times the one before, at most {}",
        policy.max_attempts,
        wait_words(policy.initial_delay_ms),
        policy.factor,
        wait_words(policy.max_delay_ms)
    );
    let circuit = &one.circuit_policy;
    let mut facts = vec![
        ("Method", one.method.clone()),
        ("Events", list(one.events.iter().map(|kind| kind.as_str()).collect(), "All")),
        ("Severities", list(severities, "All")),
        ("Platforms", list(filter.platforms.iter().map(String::as_str).collect(), "All")),
        ("Headers", list(one.headers.keys().map(String::as_str).collect(), "None of its own")),
        ("Retry", retry),
        (
            "Circuit",
            format!(
                "opens after {} failures, for {}",
                circuit.failure_threshold,
                wait_words(circuit.open_ms)
            ),
        ),
        ("At once", one.concurrency.to_string()),
        ("Timeout", format!("{} s", f64::from(one.timeout_ms) / 1000.0)),
    ];
    if !labels.is_empty() {
        facts.insert(4, ("Labels", labels.join(", ")));
    }
    if !filter.integrations.is_empty() {
        let number = filter.integrations.len() as u64;
        facts.insert(3, ("Sources", counted(number, "chosen source", "chosen sources")));
    }
    facts
}

/// A configured wait: in milliseconds only where it is shorter than a second.
fn wait_words(milliseconds: u64) -> String {
    if milliseconds < 1_000 {
        return format!("{milliseconds} ms");
    }
    span_words(std::time::Duration::from_millis(milliseconds))
}

fn secret_row(secret: &Secret, now: Timestamp) -> SecretRow {
    SecretRow {
        id: secret.id.to_string(),
        made: Ago { at: secret.created_at, now },
        ends: secret.expires_at.map(|at| Ago { at, now }),
    }
}

fn change(change: &CircuitChange, now: Timestamp) -> Change {
    let is_open = change.phase != CircuitPhase::Closed;
    Change {
        tone: if is_open { "bad" } else { "good" },
        text: if is_open { "Opened" } else { "Closed again" },
        note: if change.probes > 0 {
            counted(
                change.probes.into(),
                "attempt to see whether it is back",
                "attempts to see whether it is back",
            )
        } else {
            String::new()
        },
        at: Ago { at: change.at, now },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_words() {
        use bugle_model::delivery::Reason;
        for reason in [
            Reason::Status(503),
            Reason::Timeout,
            Reason::Dns,
            Reason::Connect,
            Reason::Tls,
            Reason::Io,
            Reason::AddressForbidden,
            Reason::Render,
        ] {
            let word = reason.to_string();
            assert_ne!(reason_words(&word), word);
        }
        assert_eq!(reason_words("Overwatch has no word for it"), "Overwatch has no word for it");
    }
}
