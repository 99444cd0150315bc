//! One inbound HTTP request as it came, and the verdict on who sent it. A receipt is never edited; only its state moves.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    id::{IntegrationId, ReceiptId, SecretId},
    time::Timestamp,
};

/// How far a receipt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptState {
    /// Durable, waiting for the pipeline.
    Pending,
    /// Its signals are in alerts and incidents.
    Processed,
    /// Understood, and says nothing about any alert (a test ping, an event we have no use for).
    Ignored,
    /// The same delivery was taken in before, by the sender's own id.
    Duplicate,
    /// Quarantined: its sender could not be proven.
    Rejected,
    /// Quarantined: its sender is proven, and the body was not understood.
    Undecodable,
}

impl ReceiptState {
    /// All, in the order a receipt may pass them.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Processed, Self::Ignored, Self::Duplicate, Self::Rejected, Self::Undecodable];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processed => "processed",
            Self::Ignored => "ignored",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Undecodable => "undecodable",
        }
    }
}

/// The outcome of verifying a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verification {
    /// The integration has no secret, so anybody may be the sender. Shown as unverified everywhere.
    Unverified,
    /// Proven with this secret.
    Verified {
        /// How it was proven, such as `X-PagerDuty-Signature`.
        scheme: String,
        /// The secret that matched.
        secret_id: SecretId,
    },
    /// Not proven.
    Failed {
        /// A word for machines: `signature_missing`, `signature_mismatch`, `timestamp_stale`, ...
        reason: String,
        /// A sentence for the person who configures the sender. Holds nothing secret.
        advice: String,
    },
}

/// One inbound HTTP request as it came.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Names it.
    pub id: ReceiptId,
    /// The integration it was sent to.
    pub integration_id: IntegrationId,
    /// When its last byte arrived.
    pub received_at: Timestamp,
    /// Who called: the socket's peer, or what a trusted proxy said.
    pub remote_ip: IpAddr,
    /// `X-Request-ID`, else made here. In every log line and every answer about this receipt.
    pub correlation_id: String,
    /// The method, the path's query with secrets sealed, and the headers with credentials sealed.
    pub head: RequestHead,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// Whether the sender is proven.
    pub verification: Verification,
    /// How far it has come.
    pub state: ReceiptState,
    /// Why it is in quarantine or was ignored, for a person.
    pub problem: Option<String>,
    /// 128 bits of a hash of the sender's own delivery id, where it gives one: equal for deliveries that it calls the same one.
    /// Only of senders that are accepted.
    pub senders_id: Option<[u8; 16]>,
    /// What the sender calls the first alert in it.
    pub alert_key: Option<String>,
}

/// The request line and headers, safe to store and to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestHead {
    /// `POST` or `PUT`.
    pub method: String,
    /// The query string, its secret values sealed.
    pub query: String,
    /// Names in lower case, in order of arrival; credentials sealed.
    pub headers: Vec<(String, String)>,
}

impl RequestHead {
    /// The first header called `name`, which must be given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
