//! The one form of every error: `{"error": {"code", "message", "details"}}`. No error holds a secret.

use std::{error::Error, time::Duration};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use bugle_engine::{config::ConfigError, incidents::ActError, ingest::Refusal};
use bugle_model::{lifecycle, signal::cut};
use bugle_store::StoreError;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::body::BodyError;

/// Longest message: enough for a sentence that quotes a part of the input.
const MESSAGE_BYTES_MAX: usize = 1024;
/// When to come again to a store that does not keep up.
const STORE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// An error answer. Boxed, so that what succeeds does not carry its size around.
#[derive(Debug)]
pub(crate) struct ApiError(Box<Told>);

#[derive(Debug)]
struct Told {
    status: StatusCode,
    code: String,
    message: String,
    details: Map<String, Value>,
    retry_after: Option<Duration>,
    allow: Option<String>,
    close: bool,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        let mut message = message.into();
        cut(&mut message, MESSAGE_BYTES_MAX);
        Self(Box::new(Told {
            status,
            code: code.into(),
            message,
            details: Map::new(),
            retry_after: None,
            allow: None,
            close: false,
        }))
    }

    /// A parameter in the URL is wrong.
    pub(crate) fn parameter(name: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER", message).detail("parameter", name)
    }

    /// A field of the body is wrong.
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_FAILED", message).detail("field", field)
    }

    /// There is no such thing. `what` is a noun: `incident`, `API key`.
    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        let code = format!("{}_NOT_FOUND", what.to_ascii_uppercase().replace(' ', "_"));
        let shown: String = id.chars().take(60).collect();
        Self::new(StatusCode::NOT_FOUND, code, format!("there is no {what} `{shown}`"))
    }

    /// The method is not one that the path takes.
    pub(crate) fn method_not_allowed(method: &Method, allow: String, advice: &str) -> Self {
        let message = format!("{method} is not possible here: {advice}");
        let mut error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message);
        error.0.allow = Some(allow);
        error
    }

    #[must_use]
    pub(crate) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.details.insert(name.to_owned(), value.into());
        self
    }

    #[must_use]
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Nobody is signed in, and there is no key.
    pub(crate) fn not_signed_in() -> Self {
        let message = "send `Authorization: Bearer <api key>`; `bugle key create` makes a key";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
    }

    /// What is wrong and what to do, for a person.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The code in lower case: the metric's label.
    pub(crate) fn label(&self) -> String {
        self.0.code.to_ascii_lowercase()
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The detail called `name`, when it is text.
    pub(crate) fn detail_text(&self, name: &str) -> Option<&str> {
        self.0.details.get(name).and_then(Value::as_str)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body =
            json!({"error": {"code": self.0.code, "message": self.0.message, "details": self.0.details}});
        let mut response = (self.0.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.0.retry_after {
            // Rounded up: a caller that comes a moment too early is refused again.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(Ok(allow)) = self.0.allow.as_deref().map(HeaderValue::from_str) {
            headers.insert(header::ALLOW, allow);
        }
        if self.0.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.0.status == StatusCode::UNAUTHORIZED && self.0.code == "UNAUTHENTICATED" {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::IntegrationNotFound(_) => {
                Self::new(StatusCode::NOT_FOUND, "INTEGRATION_NOT_FOUND", message)
            }
            Refusal::Disabled => Self::new(StatusCode::FORBIDDEN, "INTEGRATION_DISABLED", message),
            Refusal::SourceIpNotAllowed(ip) => {
                Self::new(StatusCode::FORBIDDEN, "SOURCE_IP_NOT_ALLOWED", message)
                    .detail("source_ip", ip.to_string())
            }
            Refusal::RateLimited { limit, retry_after, status } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
                Self::new(status, "RATE_LIMITED", message).detail("limit", limit).retry_after(retry_after)
            }
            Refusal::ValidationFailed { reason, receipt_id, .. } => {
                Self::new(StatusCode::UNAUTHORIZED, "WEBHOOK_VALIDATION_FAILED", message)
                    .detail("reason", reason)
                    .detail("receipt_id", receipt_id.map(|id| id.to_string()))
            }
            Refusal::InvalidPayload { receipt_id, .. } => {
                Self::new(StatusCode::BAD_REQUEST, "INVALID_PAYLOAD", message)
                    .detail("receipt_id", receipt_id.to_string())
            }
            Refusal::StoreUnavailable(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let cause = error.source().map(ToString::to_string);
        tracing::error!(error = %error, cause, "the store failed");
        Self::store_unavailable()
    }
}

impl ApiError {
    /// The store did not do it, or not in time.
    pub(crate) fn store_unavailable() -> Self {
        let message = "the store could not do this now: try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "STORE_UNAVAILABLE", message)
            .retry_after(STORE_RETRY_AFTER)
    }
}

impl From<ConfigError> for ApiError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Invalid { field, message } => Self::field(field, message),
            ConfigError::NotFound { what, id } => Self::not_found(what, &id),
            ConfigError::Store(error) => error.into(),
        }
    }
}

impl From<ActError> for ApiError {
    fn from(error: ActError) -> Self {
        let message = error.to_string();
        match error {
            ActError::NotFound { what, id } => Self::not_found(what, &id),
            ActError::Refused(lifecycle::Refusal::Resolved) => {
                Self::new(StatusCode::CONFLICT, "INCIDENT_RESOLVED", message)
            }
            ActError::Refused(lifecycle::Refusal::NotAResolution) => Self::field("resolution", message),
            ActError::Refused(lifecycle::Refusal::EmptyComment) => Self::field("comment", message),
            ActError::WrongState(_) => Self::new(StatusCode::CONFLICT, "WRONG_STATE", message),
            ActError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY", message)
                .retry_after(Duration::from_secs(1)),
            ActError::Store(error) => error.into(),
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        let mut answer = match error {
            BodyError::TooLarge { limit_bytes } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message)
                    .detail("limit_bytes", limit_bytes)
            }
            BodyError::NoRoom => Self::new(StatusCode::SERVICE_UNAVAILABLE, "STORE_UNAVAILABLE", message)
                .retry_after(STORE_RETRY_AFTER),
            BodyError::TooSlow { .. } => Self::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", message),
            BodyError::Broken(_) => Self::new(StatusCode::BAD_REQUEST, "INVALID_PAYLOAD", message),
        };
        // The rest of the body is not read, so the connection cannot carry another request.
        answer.0.close = true;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        for (millis, expected) in [(1, "1"), (1000, "1"), (1001, "2"), (0, "1"), (59_500, "60")] {
            let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY", "x");
            let response = error.retry_after(Duration::from_millis(millis)).into_response();
            assert_eq!(response.headers()["retry-after"], expected, "{millis} ms");
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        let error = ApiError::new(StatusCode::BAD_REQUEST, "X", "é".repeat(5000));
        assert!(error.0.message.len() <= MESSAGE_BYTES_MAX && error.0.message.ends_with('…'));
    }

    #[test]
    fn what_is_missing_names_the_code() {
        assert_eq!(ApiError::not_found("API key", "key_1").0.code, "API_KEY_NOT_FOUND");
    }
}
