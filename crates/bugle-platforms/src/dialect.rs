//! What a receiver that we call must offer: how events are written for it, and what its answers mean.

use std::{collections::BTreeMap, fmt, time::Duration};

use bugle_model::{
    CircuitPolicy, Event, RetryPolicy, Timestamp, Verdict, delivery::Reason, event::Documents,
};
use serde_json::{Map, Value};

use crate::{scheme::Scheme, source::Setting};

mod document;
mod headers;
mod placeholder;
mod standard_webhooks;
mod template;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod vendor;

pub use standard_webhooks::StandardWebhooks;
pub use template::Template;

/// What is to be told: an event, with the incident and the alert as they were then.
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// The event, which holds its snapshots.
    pub event: &'a Event,
    /// Where a person sees the incident in Bugle, when a public URL is configured.
    pub incident_url: Option<&'a str>,
    /// Where Bugle's own document of the event is kept, for other destinations that are told of it.
    pub documents: Option<&'a Documents>,
}

/// How a destination wants it told.
#[derive(Clone, Copy)]
pub struct Wishes<'a> {
    /// The body it wants, for dialect `template`.
    pub template: Option<&'a Value>,
    /// Headers it wants; values may hold placeholders.
    pub headers: &'a BTreeMap<String, String>,
    /// The dialect's settings.
    pub settings: &'a Map<String, Value>,
    /// The newest active secret, for `{{api_token}}`.
    pub secret: Option<&'a str>,
}

/// Shows neither the secret nor what headers hold.
impl fmt::Debug for Wishes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wishes")
            .field("template", &self.template)
            .field("headers", &self.headers.keys())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A request ready to be signed and sent.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Outbound {
    /// Headers, lower-case names.
    pub headers: Vec<(String, String)>,
    /// Names of the headers whose values must be redacted wherever the request is shown.
    pub secret_headers: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the body holds the secret, because its template asks for it: show [`Outbound::shown_body`].
    pub body_holds_secret: bool,
}

impl Outbound {
    /// The body as it may be stored and shown; `secret` is the one that was in [`Wishes`].
    pub fn shown_body(&self, secret: Option<&str>) -> String {
        // Nearly always text, which the replacing conversion would look at byte by byte.
        let body = match str::from_utf8(&self.body) {
            Ok(body) => body.to_owned(),
            Err(_) => String::from_utf8_lossy(&self.body).into_owned(),
        };
        match secret {
            Some(secret) if self.body_holds_secret && !secret.is_empty() => {
                let quoted = serde_json::to_string(secret).unwrap_or_default();
                let escaped = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(&quoted);
                body.replace(escaped, REDACTED).replace(secret, REDACTED)
            }
            _ => body,
        }
    }
}

/// What is shown in place of a secret.
const REDACTED: &str = "[hidden]";

/// Shows neither values of headers nor the body, which may hold secrets.
impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Outbound")
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The event could not be written for this receiver: the destination's configuration must be mended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(pub String);

/// An answer, as a dialect judges it.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// The status.
    pub status: u16,
    /// What `Retry-After` asked for.
    pub retry_after: Option<Duration>,
    /// The body's beginning.
    pub body: &'a [u8],
}

/// How events are written for a kind of receiver.
pub trait Dialect: Send + Sync {
    /// Its name in the API.
    fn slug(&self) -> &'static str;

    /// Its name for people.
    fn title(&self) -> &'static str;

    /// The settings it knows.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// Whether a destination configured like this can be served; the message says what to change.
    fn check(&self, wishes: &Wishes<'_>) -> Result<(), String>;

    /// Writes the event. `None` when this dialect has no word for it.
    fn render(&self, notice: &Notice<'_>, wishes: &Wishes<'_>) -> Result<Option<Outbound>, RenderError>;

    /// How the request is signed, where there is a secret.
    fn scheme(&self, settings: &Map<String, Value>) -> Option<Scheme>;

    /// How this destination's requests are signed, which is what a sender asks: as [`scheme`](Self::scheme), and `None`
    /// where there is no secret, or where the secret already stands in the request itself.
    fn signing(&self, wishes: &Wishes<'_>) -> Option<Scheme> {
        wishes.secret.and_then(|_| self.scheme(wishes.settings))
    }

    /// Whether a destination like this cannot do without a secret: it signs with it, or a placeholder stands for it. One is
    /// made where none is given, so that a configuration with `{{api_token}}` works as it stands.
    fn needs_secret(&self, wishes: &Wishes<'_>) -> bool {
        template::uses_secret(wishes)
    }

    /// When a failed attempt is tried again, for a destination that is made without saying.
    fn retry(&self) -> RetryPolicy {
        RetryPolicy::default()
    }

    /// When a destination that is made without saying is left alone for a while.
    fn circuit(&self) -> CircuitPolicy {
        CircuitPolicy::default()
    }

    /// What the receiver's answer means.
    fn classify(&self, response: &Response<'_>) -> Verdict {
        classify_by_status(response)
    }
}

/// What the Standard Webhooks specification asks of a sender, which fits every receiver that says nothing else:
/// 2xx is delivered, 410 disables, 429/502/504 (and 503 with `Retry-After`) throttle, the rest is tried again.
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
pub fn classify_by_status(response: &Response<'_>) -> Verdict {
    let throttle = matches!(response.status, 429 | 502 | 504)
        || (response.status == 503 && response.retry_after.is_some());
    match response.status {
        200..=299 => Verdict::Delivered,
        410 => Verdict::Gone,
        status => Verdict::Retry { reason: Reason::Status(status), after: response.retry_after, throttle },
    }
}

/// What a signature is made over, beside the body.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// The idempotency id, the same on every attempt.
    pub id: &'a str,
    /// When this attempt is made.
    pub at: Timestamp,
}
