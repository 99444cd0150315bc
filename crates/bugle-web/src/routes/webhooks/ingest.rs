//! `POST /api/v1/webhooks/{platform}/{integration_id}`: receive, verify, persist, answer.
//!
//! What can be refused without the body is refused before it is read; 200 is sent only once the receipt is durable.

use std::{
    borrow::Cow,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Extension, Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bugle_engine::ingest::{Accepted, Admission, Call, Refusal};
use bugle_model::{IntegrationId, ReceiptId};
use bugle_platforms::table;
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, Method, request::Parts};
use hyper::body::Body;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{MethodFilter, Route};
use crate::{
    access::Access,
    app::App,
    body::{self, BoxError, Held, Room},
    client_ip::{Peer, client_ip},
    envelope::CorrelationId,
    error::ApiError,
    input::PathOf,
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/webhooks/{platform}/{integration_id}";
    let summary = "Takes in a webhook. Proven by its integration's scheme, not by an API key.";
    let put = "The same as POST, for senders that are configured to PUT.";
    vec![
        Route::new(MethodFilter::POST, path, Access::Open, "receive_webhook", summary, receive_routed)
            .any_query()
            .answers(200, "WebhookAccepted"),
        Route::new(MethodFilter::PUT, path, Access::Open, "receive_webhook_by_put", put, receive_routed)
            .any_query()
            .answers(200, "WebhookAccepted"),
    ]
}

/// What a sender's URL names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hook<'a> {
    platform: &'a str,
    integration_id: &'a str,
}

impl<'a> Hook<'a> {
    /// The one that a request calls, if its path is one of a webhook as Bugle writes it. The router sees to the others, such
    /// as those with escapes.
    pub(crate) fn called(head: &'a Parts) -> Option<Self> {
        let rest = head.uri.path().strip_prefix("/api/v1/webhooks/")?;
        let (platform, integration_id) = rest.split_once('/')?;
        let is_plain = |part: &str| !part.is_empty() && !part.contains(['/', '%']);
        let is_hook = matches!(head.method, Method::POST | Method::PUT);
        (is_hook && is_plain(platform) && is_plain(integration_id))
            .then_some(Self { platform, integration_id })
    }
}

async fn receive_routed(
    State(app): State<App>,
    PathOf((platform, integration_id)): PathOf<(String, String)>,
    Extension(correlation_id): Extension<CorrelationId>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let hook = Hook { platform: &platform, integration_id: &integration_id };
    receive(&app, &hook, peer, correlation_id, &head, body).await
}

/// Takes a call in and answers it.
pub(crate) async fn receive<B>(
    app: &App,
    hook: &Hook<'_>,
    peer: Peer,
    correlation_id: CorrelationId,
    head: &Parts,
    body: B,
) -> Response
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let began = Instant::now();
    let outcome = take_in(app, hook, peer, &correlation_id, head, body).await;
    let duration = began.elapsed();
    // What the caller made up must not become a metric's label.
    let platform = table::source(hook.platform).map_or("unknown", |source| source.slug());
    let label: Cow<'static, str> = match &outcome {
        Ok(accepted) => accepted.status.as_str().into(),
        Err(error) => error.label().into(),
    };
    let entry = LogEntry { platform, hook, correlation_id: &correlation_id.0 };
    entry.write(&outcome, &label, duration);
    app.engine.metrics().webhook_request(platform, label, duration.as_secs_f64());
    match outcome {
        Ok(accepted) => Json(Answer::of(&accepted)).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn take_in<B>(
    app: &App,
    hook: &Hook<'_>,
    peer: Peer,
    correlation_id: &CorrelationId,
    head: &Parts,
    body: B,
) -> Result<Accepted, ApiError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let remote_ip = client_ip(Some(peer), &head.headers, &app.settings.trusted_proxies);
    let admission = app.engine.admit(hook.platform, hook.integration_id, remote_ip)?;
    let Held { bytes, room } = body::read(&head.headers, body, app).await?;
    let call = Call {
        method: head.method.to_string(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers_of(&head.headers),
        body: bytes,
        remote_ip,
        correlation_id: correlation_id.0.clone(),
    };
    ingest(app, admission, call, Some(room)).await
}

async fn ingest(
    app: &App,
    admission: Admission,
    call: Call,
    room: Option<Room>,
) -> Result<Accepted, ApiError> {
    let limit = app.settings.append_time_max;
    let engine = app.engine.clone();
    let work = async move {
        let outcome = engine.ingest(&admission, call).await;
        drop(room);
        outcome
    };
    let outcome = tokio::time::timeout(limit, Keeping(Some(work.boxed()))).await;
    let outcome = outcome.map_err(|_| {
        tracing::error!(limit_s = limit.as_secs(), "the store did not make a receipt durable in time");
        ApiError::store_unavailable()
    })?;
    Ok(outcome?)
}

/// Takes in a call that Bugle itself makes, for the test of an integration.
pub(in crate::routes) async fn accepted(
    app: &App,
    admission: Admission,
    call: Call,
) -> Result<Accepted, ApiError> {
    ingest(app, admission, call, None).await
}

/// A call on its way into the store, which cannot be called back. When its caller leaves or time runs out it goes on by
/// itself, so that the room it takes is given back when it no longer takes it.
struct Keeping(Option<BoxFuture<'static, Result<Accepted, Refusal>>>);

impl Future for Keeping {
    type Output = Result<Accepted, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let polled = work.as_mut().poll(cx);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            TaskTracker::new().spawn_on(work, &runtime);
        }
    }
}

/// Names in lower case, in order of arrival; values that are not UTF-8 with marks in the place of what is not.
fn headers_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// What a sender is answered.
#[derive(Serialize)]
struct Answer<'a> {
    success: bool,
    message: &'static str,
    data: AnswerData<'a>,
}

#[derive(Serialize)]
struct AnswerData<'a> {
    integration_id: IntegrationId,
    alert_id: Option<&'a str>,
    receipt_id: ReceiptId,
    processing_status: &'static str,
}

impl<'a> Answer<'a> {
    fn of(accepted: &'a Accepted) -> Self {
        Self {
            success: true,
            message: "Webhook received successfully",
            data: AnswerData {
                integration_id: accepted.integration_id,
                alert_id: accepted.alert_id.as_deref(),
                receipt_id: accepted.receipt_id,
                processing_status: accepted.status.as_str(),
            },
        }
    }
}

/// The one line that each webhook leaves in the log. It never holds bodies, query strings or secrets.
struct LogEntry<'a> {
    platform: &'static str,
    hook: &'a Hook<'a>,
    correlation_id: &'a str,
}

impl LogEntry<'_> {
    fn write(&self, outcome: &Result<Accepted, ApiError>, label: &str, duration: Duration) {
        let Self { platform, correlation_id, .. } = *self;
        // Whatever stands in the path; an id has 17 characters.
        let integration_id = || self.hook.integration_id.chars().take(40).collect::<String>();
        let duration_ms = duration.as_secs_f64() * 1000.0;
        match outcome {
            Ok(accepted) => tracing::info!(
                integration_id = integration_id(),
                platform,
                alert_id = accepted.alert_id,
                correlation_id,
                receipt_id = %accepted.receipt_id,
                status = label,
                duration_ms,
                "webhook received"
            ),
            Err(error) => tracing::warn!(
                integration_id = integration_id(),
                platform,
                correlation_id,
                receipt_id = error.detail_text("receipt_id"),
                reason = error.detail_text("reason"),
                status = label,
                http_status = error.status().as_u16(),
                duration_ms,
                "webhook refused"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_call_goes_past_the_router() {
        for (method, path, expected) in [
            ("POST", "/api/v1/webhooks/grafana/int_1?a=/b", Some(("grafana", "int_1"))),
            ("PUT", "/api/v1/webhooks/grafana/int_1", Some(("grafana", "int_1"))),
            ("GET", "/api/v1/webhooks/grafana/int_1", None),
            ("POST", "/api/v1/webhooks/health", None),
            ("POST", "/api/v1/webhooks/grafana/", None),
            ("POST", "/api/v1/webhooks//int_1", None),
            ("POST", "/api/v1/webhooks/grafana/int_1/", None),
            ("POST", "/api/v1/webhooks/graf%61na/int_1", None),
            ("POST", "/api/v2/webhooks/grafana/int_1", None),
        ] {
            let (head, ()) = http::Request::builder().method(method).uri(path).body(()).unwrap().into_parts();
            let called = Hook::called(&head).map(|hook| (hook.platform, hook.integration_id));
            assert_eq!(called, expected, "{method} {path}");
        }
    }
}
