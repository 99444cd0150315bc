//! What every request and every answer has: a correlation id, headers that keep browsers from guessing, and an answer
//! even when a handler panics.

use std::panic::AssertUnwindSafe;

use axum::response::{IntoResponse, Response};
use bugle_model::{
    id::{Id, Kind},
    limits,
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use tracing::Level;

use crate::{app::App, error::ApiError};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// `X-Request-ID` as the caller sent it, else made here. In every log line and every answer.
#[derive(Debug, Clone)]
pub(crate) struct CorrelationId(pub(crate) String);

/// Marks the id of a request that brought none.
enum RequestKind {}

impl Kind for RequestKind {
    const PREFIX: &'static str = "req";
}

/// Wraps every request.
pub(crate) async fn wrap<B, F>(
    app: &App,
    mut request: Request<B>,
    answer: impl FnOnce(Request<B>, CorrelationId) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let id = taken_over(request.headers()).unwrap_or_else(|| {
        let id: Id<RequestKind> = app.engine.ids().next(app.now());
        id.to_string()
    });
    let asked = tracing::enabled!(Level::DEBUG).then(|| (request.method().clone(), request.uri().clone()));
    name_host(&mut request);
    let mut response = answer_in_any_case(answer(request, CorrelationId(id.clone())), &id).await;
    if let Some((method, uri)) = asked {
        let status = response.status().as_u16();
        tracing::debug!(%method, path = uri.path(), status, correlation_id = id, "answered");
    }
    dress(response.headers_mut(), &id);
    response
}

/// A panic is one request's misfortune, not the process's.
async fn answer_in_any_case(answering: impl Future<Output = Response>, id: &str) -> Response {
    AssertUnwindSafe(answering).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(correlation_id = id, "a handler panicked");
        let message = "something went wrong here: the log has more, under this X-Request-ID";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message).into_response()
    })
}

/// HTTP/2 names the host in its target: put where handlers look for it.
fn name_host<B>(request: &mut Request<B>) {
    let authority = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Some(host) = authority {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
}

fn dress(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// The caller's id without what could break a log line; `None` when nothing is left of it.
fn taken_over(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(REQUEST_ID)?.as_bytes();
    let visible = value.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte));
    let id: String = visible.take(limits::CORRELATION_ID_BYTES_MAX).collect();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered() {
        let answering =
            async { if StatusCode::OK.is_success() { panic!("on purpose") } else { Response::default() } };
        let response = answer_in_any_case(answering, "req_1").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_callers_id_is_taken_over_without_what_is_not_visible() {
        for (sent, expected) in [
            (&b"abc-123"[..], Some("abc-123".to_owned())),
            (b"two words", Some("twowords".into())),
            (b"caf\xc3\xa9", Some("caf".into())),
            (b"\xff\xfe", None),
            (b"", None),
            (&[b'x'; 300], Some("x".repeat(128))),
        ] {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(sent).unwrap())]);
            assert_eq!(taken_over(&headers), expected);
        }
        assert_eq!(taken_over(&HeaderMap::new()), None);
    }
}
