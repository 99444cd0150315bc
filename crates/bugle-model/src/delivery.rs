//! One event on its way to one destination, and the attempts to get it there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    id::{DeliveryId, DestinationId, EventId, IncidentId},
    time::Timestamp,
};

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waits for its time.
    Pending,
    /// Waits for an earlier event of the same incident to the same destination.
    Blocked,
    /// The receiver said it has it.
    Delivered,
    /// Given up on; can be redelivered.
    Dead,
    /// The dialect has no word for the event.
    Skipped,
}

impl DeliveryState {
    /// All, the unsettled ones first.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Blocked, Self::Delivered, Self::Dead, Self::Skipped];

    /// Whether nothing more happens by itself.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Delivered | Self::Dead | Self::Skipped)
    }

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Blocked => "blocked",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Skipped => "skipped",
        }
    }
}

/// One event on its way to one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Names it.
    pub id: DeliveryId,
    /// Where it goes.
    pub destination_id: DestinationId,
    /// The incident whose event it carries.
    pub incident_id: IncidentId,
    /// The event it carries. Also what the receiver sees as the idempotency id, on every attempt.
    pub event_id: EventId,
    /// The event's number within its incident.
    pub sequence: u32,
    /// How far it has come.
    pub state: DeliveryState,
    /// Attempts made.
    pub attempts: u32,
    /// Attempts made before it was last sent again by hand: they do not count against its retry budget.
    pub attempts_forgiven: u32,
    /// When the next attempt is due.
    pub next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed, or why it was skipped.
    pub reason: Option<String>,
    /// When the event was committed.
    pub created_at: Timestamp,
    /// When it was delivered, given up on or skipped.
    pub settled_at: Option<Timestamp>,
}

/// What an attempt's outcome means for the delivery. The reason is the metric's label and the page's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// Worth another try.
    Retry {
        /// What was wrong.
        reason: Reason,
        /// What the receiver asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Duration>,
        /// Whether the whole destination should wait, not only this delivery.
        throttle: bool,
    },
    /// The receiver wants nothing more, ever: the destination is disabled and the delivery waits.
    Gone,
    /// The receiver understood the request and does not want this one: no retry would change that.
    Rejected {
        /// What was wrong.
        reason: Reason,
    },
}

/// What was wrong with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The receiver's answer was not a success.
    Status(u16),
    /// No answer in time.
    Timeout,
    /// The name did not resolve.
    Dns,
    /// No connection.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The connection broke.
    Io,
    /// The address is private, and not allowed.
    AddressForbidden,
    /// The request could not be written.
    Render,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(code) => write!(f, "status_{code}"),
            Self::Timeout => f.write_str("timeout"),
            Self::Dns => f.write_str("dns"),
            Self::Connect => f.write_str("connect"),
            Self::Tls => f.write_str("tls"),
            Self::Io => f.write_str("io"),
            Self::AddressForbidden => f.write_str("address_forbidden"),
            Self::Render => f.write_str("render"),
        }
    }
}

/// One HTTP try, with all that a person needs to see what happened. Secrets are redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1, 2, 3, ... within its delivery.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What its outcome means.
    pub verdict: Verdict,
    /// What went wrong, in words, where the reason alone does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was sent.
    pub request: AttemptRequest,
    /// What came back.
    pub response: Option<AttemptResponse>,
    /// Where the time went.
    pub timing: Timing,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AttemptRequest {
    /// The method.
    pub method: String,
    /// The URL, as it may be shown.
    pub url: String,
    /// The headers, secrets redacted.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptResponse {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body's beginning.
    pub body: String,
    /// Whether there was more.
    pub truncated: bool,
}

/// Where an attempt's time went, in microseconds. `None` where a connection was reused or a phase not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timing {
    /// Resolving the name.
    pub dns_us: Option<u64>,
    /// Opening the connection.
    pub connect_us: Option<u64>,
    /// From the request's first byte to the answer's head.
    pub first_byte_us: Option<u64>,
    /// Reading the answer's body.
    pub body_us: Option<u64>,
}
