//! One attempt: render, sign, send, record. It decides nothing about what happens next.

use std::time::Duration;

use bugle_model::{
    Attempt, Destination, Event, Timestamp, Verdict,
    delivery::{AttemptRequest, AttemptResponse, Reason, Timing},
    destination::shown_url,
    event::Documents,
    limits,
};
use bugle_platforms::{
    Dialect, Notice, Outbound,
    dialect::{Response, Stamp, Wishes},
};
use bugle_store::Due;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use url::Url;

use super::{Shared, retry};
use crate::send::{Answer, Exchange, OutgoingRequest};

/// Who we are to receivers.
const USER_AGENT: &str = concat!("Bugle/", env!("CARGO_PKG_VERSION"));
/// What stands where a secret stood.
const HIDDEN: &str = "[hidden]";
/// Secrets shorter than this are not searched for in bodies: they would be found in ordinary words.
const SEARCHED_SECRET_BYTES_MIN: usize = 6;
/// Most of a request's body that is kept with its attempt.
const REQUEST_BYTES_KEPT_MAX: usize = 64 * 1024;
/// Answer headers kept with an attempt.
const ANSWER_HEADERS_MAX: usize = 50;
/// Most of an answer header's value that is kept.
const ANSWER_HEADER_BYTES_MAX: usize = 1024;

/// What came of a claimed delivery.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was tried. A request that could not be written counts as a try, so that it is visible and ends one day.
    Tried(Box<Attempt>),
    /// The dialect has no word for it.
    Skipped(String),
}

/// Makes one attempt at `due`, whether or not it is in the store.
pub(super) async fn deliver(shared: &Shared, destination: &Destination, due: &Due) -> Outcome {
    let began = shared.clock.now();
    let number = due.delivery.attempts.saturating_add(1);
    let Some(dialect) = (shared.dialect)(&destination.dialect) else {
        return unwritten(destination, number, began, no_dialect(destination));
    };
    let written = match write(shared, destination, dialect, (&due.event, shared.documents_of(due)), began) {
        Ok(Some(written)) => written,
        Ok(None) => return Outcome::Skipped(no_word(dialect, &due.event)),
        Err(detail) => return unwritten(destination, number, began, detail),
    };
    let shown = written.shown;
    let exchange = shared.sender.send(written.request).await;
    let verdict = judge(dialect, &exchange, shared.clock.now());
    let secrets = searched_secrets(destination);
    let hide = |text: String| hide_secrets(text, &secrets);
    Outcome::Tried(Box::new(Attempt {
        number,
        started_at: began,
        duration_us: u64::try_from(exchange.duration.as_micros()).unwrap_or(u64::MAX),
        verdict,
        detail: detail_of(&exchange),
        request: shown,
        response: exchange.answer.map(|answer| kept_answer(&answer, hide)),
        timing: exchange.timing,
    }))
}

/// The request that an attempt at `event` would send now, as it may be shown. `Err` says why there is none.
pub(super) fn preview(
    shared: &Shared,
    destination: &Destination,
    event: &Event,
) -> Result<AttemptRequest, String> {
    let dialect = (shared.dialect)(&destination.dialect).ok_or_else(|| no_dialect(destination))?;
    let written = write(shared, destination, dialect, (event, None), shared.clock.now())?;
    written.map(|written| written.shown).ok_or_else(|| no_word(dialect, event))
}

fn no_dialect(destination: &Destination) -> String {
    format!("this version of Bugle has no dialect `{}`", destination.dialect)
}

fn no_word(dialect: &dyn Dialect, event: &Event) -> String {
    format!("{} has no word for {}", dialect.title(), event.kind.as_str())
}

/// The outcome of an attempt that ended in a panic, which is a defect of Bugle's and not the receiver's.
pub(super) fn crashed(destination: &Destination, number: u32, at: Timestamp) -> Outcome {
    unwritten(destination, number, at, "a defect in Bugle ended this attempt; its log has more".into())
}

/// What a destination's configuration makes of an event when it cannot be written: tried again by the retry policy
/// like any failure, so that mending the configuration in time loses nothing.
fn unwritten(destination: &Destination, number: u32, began: Timestamp, detail: String) -> Outcome {
    Outcome::Tried(Box::new(Attempt {
        number,
        started_at: began,
        duration_us: 0,
        verdict: Verdict::Retry { reason: Reason::Render, after: None, throttle: false },
        detail: Some(detail),
        request: AttemptRequest {
            method: destination.method.clone(),
            url: destination.shown_url(),
            ..AttemptRequest::default()
        },
        response: None,
        timing: Timing::default(),
    }))
}

/// A request, and how it may be shown.
struct Written {
    request: OutgoingRequest,
    shown: AttemptRequest,
}

fn write(
    shared: &Shared,
    destination: &Destination,
    dialect: &dyn Dialect,
    (event, documents): (&Event, Option<&Documents>),
    now: Timestamp,
) -> Result<Option<Written>, String> {
    let secrets: Vec<&str> = destination.active_secrets(now).map(bugle_model::Secret::expose).collect();
    let incident_url = shared.incident_url(event.incident_id);
    let wishes = Wishes {
        template: destination.template.as_ref(),
        headers: &destination.headers,
        settings: &destination.settings,
        secret: secrets.first().copied(),
    };
    let notice = Notice { event, incident_url: incident_url.as_deref(), documents };
    let Some(outbound) = dialect.render(&notice, &wishes).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let mut url = destination.url.clone();
    let id = event.id.to_string();
    // First, so that a configured header of the name wins: whatever the dialect, an attempt can be told from a new event.
    let mut headers = vec![("idempotency-key".to_owned(), id.clone())];
    headers.extend(outbound.headers.iter().cloned());
    if let (Some(scheme), false) = (dialect.signing(&wishes), secrets.is_empty()) {
        let proof = scheme
            .sign(&secrets, &Stamp { id: &id, at: now }, &outbound.body)
            .map_err(|error| format!("the request could not be signed: {error}"))?;
        headers.extend(proof.headers);
        if let Some((name, value)) = proof.query {
            url.query_pairs_mut().append_pair(&name, &value);
        }
    }
    let headers = header_map(&headers)?;
    let body = kept_text(outbound.shown_body(wishes.secret).as_bytes(), REQUEST_BYTES_KEPT_MAX);
    let shown = AttemptRequest {
        method: destination.method.clone(),
        url: shown_url(&url),
        headers: shown_headers(&headers, destination, &outbound, &secrets),
        body: hide_secrets(body, &searched_secrets(destination)),
    };
    let request = OutgoingRequest {
        method: Method::from_bytes(destination.method.as_bytes())
            .map_err(|_| format!("`{}` is not an HTTP method", destination.method))?,
        uri: to_uri(&url)?,
        headers,
        body: Bytes::from(outbound.body),
        timeout: Duration::from_millis(u64::from(destination.timeout_ms)),
    };
    Ok(Some(Written { request, shown }))
}

fn to_uri(url: &Url) -> Result<Uri, String> {
    url.as_str().parse().map_err(|_| "the destination's URL cannot be called as it is written".to_owned())
}

/// The last value of a name counts, so that a signature replaces a configured header of its name. Headers that frame
/// the message belong to the HTTP client.
fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, String> {
    const FRAMING: [&str; 8] = [
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let mut map = HeaderMap::with_capacity(headers.len() + 1);
    map.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    for (name, value) in headers {
        let known: HeaderName = name.parse().map_err(|_| format!("`{name}` is not a header's name"))?;
        if FRAMING.contains(&known.as_str()) {
            continue;
        }
        let value =
            HeaderValue::from_str(value).or_else(|_| HeaderValue::from_bytes(value.as_bytes())).map_err(
                |_| format!("the value of header `{known}` holds a line break or another control character"),
            )?;
        map.insert(known, value);
    }
    Ok(map)
}

/// Headers as they may be shown. Configured values are hidden, whatever their name: who puts a token into a header
/// of their own choosing must not find it in a list.
fn shown_headers(
    headers: &HeaderMap,
    destination: &Destination,
    outbound: &Outbound,
    secrets: &[&str],
) -> Vec<(String, String)> {
    const NEVER_SECRET: [HeaderName; 4] =
        [header::USER_AGENT, header::CONTENT_TYPE, header::ACCEPT, header::CONTENT_ENCODING];
    const ALWAYS_SECRET: [HeaderName; 3] =
        [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];
    let is_configured = |name: &HeaderName| {
        let mut names = destination.headers.keys().chain(&outbound.secret_headers);
        names.any(|known| known.eq_ignore_ascii_case(name.as_str()))
    };
    headers
        .iter()
        .map(|(name, value)| {
            let value = text_of(value.as_bytes());
            let hidden = ALWAYS_SECRET.contains(name)
                || (is_configured(name) && !NEVER_SECRET.contains(name))
                || secrets.iter().any(|secret| !secret.is_empty() && value.contains(secret));
            (name.as_str().to_owned(), if hidden { HIDDEN.to_owned() } else { value })
        })
        .collect()
}

/// What must not be kept where a body repeats it: signing secrets and configured header values.
fn searched_secrets(destination: &Destination) -> Vec<&str> {
    let configured = destination.headers.iter().filter(|(name, _)| {
        !name.eq_ignore_ascii_case("content-type") && !name.eq_ignore_ascii_case("user-agent")
    });
    destination
        .secrets
        .iter()
        .map(bugle_model::Secret::expose)
        .chain(configured.map(|(_, value)| value.as_str()))
        .filter(|secret| secret.len() >= SEARCHED_SECRET_BYTES_MIN)
        .collect()
}

fn hide_secrets(mut hidden: String, secrets: &[&str]) -> String {
    for secret in secrets {
        if hidden.contains(secret) {
            hidden = hidden.replace(secret, HIDDEN);
        }
    }
    hidden
}

/// The verdict. An answer that says "no" counts even when its body broke off; one that says "yes" counts only whole,
/// for a proxy may have begun it before the receiver behind it failed.
fn judge(dialect: &dyn Dialect, exchange: &Exchange, now: Timestamp) -> Verdict {
    let is_success = |answer: &Answer| (200..300).contains(&answer.status);
    match (&exchange.answer, &exchange.failure) {
        (Some(answer), failure) if failure.is_none() || !is_success(answer) => {
            let asked = answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            dialect.classify(&Response {
                status: answer.status,
                retry_after: asked.and_then(|value| retry::retry_after(value, now)),
                body: &answer.body,
            })
        }
        (_, failure) => Verdict::Retry {
            reason: failure.as_ref().map_or(Reason::Io, |failure| failure.reason),
            after: None,
            throttle: false,
        },
    }
}

fn detail_of(exchange: &Exchange) -> Option<String> {
    if let Some(failure) = &exchange.failure {
        return Some(failure.detail.clone());
    }
    let answer = exchange.answer.as_ref()?;
    (300..400).contains(&answer.status).then(|| {
        "the receiver answered with a redirect, and redirects are not followed: set the URL to where it leads".into()
    })
}

fn kept_answer(answer: &Answer, hide: impl Fn(String) -> String) -> AttemptResponse {
    let headers = answer.headers.iter().take(ANSWER_HEADERS_MAX).map(|(name, value)| {
        let mut text =
            if *name == header::SET_COOKIE { HIDDEN.to_owned() } else { hide(text_of(value.as_bytes())) };
        bugle_model::signal::cut(&mut text, ANSWER_HEADER_BYTES_MAX);
        (name.as_str().to_owned(), text)
    });
    AttemptResponse {
        status: answer.status,
        headers: headers.collect(),
        body: hide(kept_text(&answer.body, limits::RESPONSE_BYTES_MAX)),
        truncated: answer.truncated,
    }
}

/// The beginning of `bytes` as text; what is not UTF-8 is replaced.
fn kept_text(bytes: &[u8], bytes_max: usize) -> String {
    text_of(bytes.get(..bytes_max).unwrap_or(bytes))
}

/// As text, and at once where it is that, as nearly always.
fn text_of(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), str::to_owned)
}
