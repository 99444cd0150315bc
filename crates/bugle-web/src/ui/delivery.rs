//! `/deliveries/{id}`: one event on its way to one destination, and what each attempt sent, got and took.

use askama::Template;
use axum::extract::State;
use bugle_engine::config::EventPlace;
use bugle_model::{
    Attempt, DeliveryId, Scope, Timestamp, Verdict,
    delivery::{AttemptRequest, AttemptResponse},
};

use super::{
    destination::{delivery_state, reason_words},
    excerpt::{Json, Room},
    format::{Ago, Copyable, Tag, counted},
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::{
    app::App,
    error::ApiError,
    input::{self, PathOf},
};

/// Attempts shown, the newest; the JSON twin has all that are kept.
const ATTEMPTS_SHOWN_MAX: usize = 20;
/// Bytes of a page that are left to what was sent and what came back.
const TEXT_BYTES_MAX: usize = 60 * 1024;
/// Bytes of one body.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// The width of a whole timing bar, in units of its picture.
const BAR_UNITS: u64 = 1000;

#[derive(Template)]
#[template(path = "delivery.html")]
struct One {
    page: Page,
    id: String,
    state: Tag<'static>,
    kind: String,
    incident: String,
    incident_href: String,
    destination: String,
    destination_href: String,
    reason: String,
    next: Option<Ago>,
    created: Ago,
    settled: Option<Ago>,
    idempotency_id: Copyable,
    shown_id: Copyable,
    attempts: Vec<Tried>,
    more: Option<String>,
    is_settled: bool,
    may_operate: bool,
}

/// One attempt.
struct Tried {
    number: u32,
    verdict: Tag<'static>,
    /// What it meant, in a sentence.
    told: String,
    detail: String,
    at: Ago,
    took: String,
    parts: Vec<Part>,
    is_newest: bool,
    request: Message,
    response: Option<Message>,
}

/// A phase of an attempt, as a part of its bar.
struct Part {
    class: &'static str,
    label: &'static str,
    took: String,
    x: u64,
    width: u64,
}

/// A request or a response.
struct Message {
    line: String,
    headers: String,
    json: Option<Json>,
    text: String,
    is_cut: bool,
}

/// `GET /deliveries/{id}`.
pub(super) async fn page(State(app): State<App>, viewer: Viewer, PathOf(text): PathOf<String>) -> Shown {
    let id: DeliveryId = input::id("delivery", &text)?;
    let found = app.store().delivery(id).await?;
    let (delivery, attempts) = found.ok_or_else(|| ApiError::not_found("delivery", &text))?;
    let place = EventPlace { incident_id: delivery.incident_id, sequence: delivery.sequence };
    let event = app.engine.event_at(place).await?;
    let now = app.now();
    let destination = app.engine.destination(&delivery.destination_id.to_string()).ok();
    let hidden = attempts.len().saturating_sub(ATTEMPTS_SHOWN_MAX);
    let slowest = attempts.iter().map(|attempt| attempt.duration_us).max().unwrap_or_default();
    let mut room = Room::of(TEXT_BYTES_MAX);
    let newest_first = attempts.iter().rev().take(ATTEMPTS_SHOWN_MAX).enumerate();
    let kind = event.as_ref().map_or("An event", |event| event.kind.as_str());
    show(&One {
        page: viewer.page(format!("Delivery of {kind}"), format!("/api/v1/deliveries/{text}")),
        state: delivery_state(&delivery),
        kind: kind.to_owned(),
        incident: event.map_or_else(|| delivery.incident_id.to_string(), |event| event.incident.title),
        incident_href: format!("/incidents/{}", delivery.incident_id),
        destination: destination.map_or("a destination that was deleted".into(), |(one, _)| one.name.clone()),
        destination_href: format!("/destinations/{}", delivery.destination_id),
        reason: delivery.reason.as_deref().map(reason_words).unwrap_or_default(),
        next: delivery.next_attempt_at.filter(|_| !delivery.state.is_settled()).map(|at| Ago { at, now }),
        created: Ago { at: delivery.created_at, now },
        settled: delivery.settled_at.map(|at| Ago { at, now }),
        idempotency_id: Copyable(delivery.event_id.to_string()),
        shown_id: Copyable(text.clone()),
        attempts: newest_first.map(|(place, one)| tried(one, place == 0, slowest, &mut room, now)).collect(),
        more: (hidden > 0).then(|| counted(hidden as u64, "earlier attempt", "earlier attempts")),
        is_settled: delivery.state.is_settled(),
        may_operate: viewer.may(Scope::Operate),
        id: text,
    })
}

fn tried(attempt: &Attempt, is_newest: bool, slowest: u64, room: &mut Room, now: Timestamp) -> Tried {
    let (tone, word, told) = match &attempt.verdict {
        Verdict::Delivered => ("good", "Delivered", String::new()),
        Verdict::Retry { reason, .. } => ("warn", "Failed", reason_words(&reason.to_string())),
        Verdict::Gone => ("bad", "Gone", "the receiver wants nothing more".to_owned()),
        Verdict::Rejected { reason } => ("bad", "Rejected", reason_words(&reason.to_string())),
    };
    Tried {
        number: attempt.number,
        verdict: Tag { tone, text: word },
        told,
        detail: attempt.detail.as_deref().map(|detail| room.take(detail, 2_048)).unwrap_or_default(),
        at: Ago { at: attempt.started_at, now },
        took: duration(attempt.duration_us),
        parts: parts(attempt, slowest),
        is_newest,
        response: attempt.response.as_ref().map(|response| response_of(response, room)),
        request: request_of(&attempt.request, room),
    }
}

/// Where the time went, on the scale of the slowest attempt.
fn parts(attempt: &Attempt, slowest: u64) -> Vec<Part> {
    let timing = &attempt.timing;
    let phases = [
        ("dns", "Name", timing.dns_us),
        ("connect", "Connection and TLS", timing.connect_us),
        ("wait", "Answer", timing.first_byte_us),
        ("read", "Its body", timing.body_us),
    ];
    let known: u64 = phases.iter().filter_map(|(_, _, took)| *took).sum();
    let rest = attempt.duration_us.saturating_sub(known);
    // What no phase accounts for is waiting for one that never ended, or too little to tell.
    let rest = (rest > attempt.duration_us / 20).then_some(rest);
    let mut x = 0;
    let all = phases.into_iter().chain([("other", "The rest", rest)]);
    all.filter_map(|(class, label, took)| took.map(|took| (class, label, took)))
        .map(|(class, label, took)| {
            let width = took.saturating_mul(BAR_UNITS) / slowest.max(1);
            let part = Part { class, label, took: duration(took), x, width: width.max(2) };
            x += width;
            part
        })
        .collect()
}

fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

fn request_of(request: &AttemptRequest, room: &mut Room) -> Message {
    let line = room.take(&format!("{} {}", request.method, request.url), 2_048);
    message(line, &request.headers, &request.body, false, room)
}

fn response_of(response: &AttemptResponse, room: &mut Room) -> Message {
    message(response.status.to_string(), &response.headers, &response.body, response.truncated, room)
}

fn message(
    line: String,
    headers: &[(String, String)],
    body: &str,
    truncated: bool,
    room: &mut Room,
) -> Message {
    let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let headers = room.take(&headers.join("\n"), 4_096);
    let text = room.take(body, BODY_BYTES_MAX);
    let is_json = text.starts_with(['{', '[']);
    let is_cut = truncated || text.len() < body.len();
    if is_json {
        let json = Json::of(&text, BODY_BYTES_MAX);
        return Message { line, headers, json: Some(json), text: String::new(), is_cut };
    }
    Message { line, headers, json: None, text, is_cut }
}

#[cfg(test)]
mod tests {
    use bugle_model::delivery::{Reason, Timing};

    use super::*;

    fn attempt(duration_us: u64, timing: Timing) -> Attempt {
        Attempt {
            number: 1,
            started_at: Timestamp::from_seconds(1_795_000_000),
            duration_us,
            verdict: Verdict::Retry { reason: Reason::Timeout, after: None, throttle: false },
            detail: None,
            request: AttemptRequest::default(),
            response: None,
            timing,
        }
    }

    #[test]
    fn a_bar_never_leaves_its_picture() {
        let timing =
            Timing { dns_us: Some(100), connect_us: Some(200), first_byte_us: Some(600), body_us: Some(100) };
        for (duration_us, timing, slowest, expected) in [
            (
                1_000,
                timing,
                1_000,
                vec![("dns", 0, 100), ("connect", 100, 200), ("wait", 300, 600), ("read", 900, 100)],
            ),
            (
                1_000,
                timing,
                10_000,
                vec![("dns", 0, 10), ("connect", 10, 20), ("wait", 30, 60), ("read", 90, 10)],
            ),
            (15_000_000, Timing::default(), 15_000_000, vec![("other", 0, 1_000)]),
            (0, Timing::default(), 0, vec![]),
        ] {
            let parts = parts(&attempt(duration_us, timing), slowest);
            let shown: Vec<_> = parts.iter().map(|part| (part.class, part.x, part.width)).collect();
            assert_eq!(shown, expected, "{duration_us}");
        }
    }

    #[test]
    fn durations_have_a_unit_that_fits() {
        for (micros, expected) in
            [(0, "0 µs"), (999, "999 µs"), (1_250, "1.2 ms"), (45_000, "45 ms"), (15_300_000, "15.3 s")]
        {
            assert_eq!(duration(micros), expected);
        }
    }
}
