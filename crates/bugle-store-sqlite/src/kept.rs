//! A receipt as one piece of bytes, in the journal and in a block: a [line] of JSON and the body.

use std::{borrow::Cow, fmt, net::IpAddr};

use bugle_model::{Receipt, ReceiptState, Timestamp, Verification, id::Id, receipt::RequestHead};
use serde::{Deserialize, Serialize};

use crate::line;

/// A receipt that is pending.
pub(crate) struct Kept {
    pub(crate) id: i64,
    pub(crate) integration_id: i64,
    pub(crate) received_at: Timestamp,
    /// The hash of the sender's own id of it, by which others are found to repeat it.
    pub(crate) senders_id: Option<[u8; 16]>,
    bytes: Vec<u8>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A receipt without its body.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    id: i64,
    integration_id: i64,
    received_at: i64,
    remote_ip: IpAddr,
    #[serde(borrow)]
    correlation_id: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    senders_id: Option<[u8; 16]>,
    #[serde(borrow)]
    alert_key: Option<Cow<'a, str>>,
    verification: Cow<'a, Verification>,
    head: Cow<'a, RequestHead>,
}

impl Kept {
    /// Writes it.
    pub(crate) fn new(receipt: &Receipt) -> serde_json::Result<Self> {
        let (id, integration_id) = (receipt.id.as_i64(), receipt.integration_id.as_i64());
        let line = Line {
            id,
            integration_id,
            received_at: receipt.received_at.as_millis(),
            remote_ip: receipt.remote_ip,
            correlation_id: Cow::Borrowed(&receipt.correlation_id),
            senders_id: receipt.senders_id,
            alert_key: receipt.alert_key.as_deref().map(Cow::Borrowed),
            verification: Cow::Borrowed(&receipt.verification),
            head: Cow::Borrowed(&receipt.head),
        };
        let mut bytes = line::write(&line, receipt.body.len())?;
        bytes.extend_from_slice(&receipt.body);
        Ok(Self {
            id,
            integration_id,
            received_at: receipt.received_at,
            senders_id: receipt.senders_id,
            bytes,
        })
    }

    /// Reads it.
    pub(crate) fn receipt(&self) -> serde_json::Result<Receipt> {
        Self::read(&self.bytes)
    }

    /// Reads what was written.
    pub(crate) fn read(bytes: &[u8]) -> serde_json::Result<Receipt> {
        let (line, body) = line::split(bytes)?;
        let line: Line<'_> = serde_json::from_str(line)?;
        Ok(Receipt {
            id: Id::from_i64(line.id),
            integration_id: Id::from_i64(line.integration_id),
            received_at: Timestamp::from_millis(line.received_at),
            remote_ip: line.remote_ip,
            correlation_id: line.correlation_id.into_owned(),
            head: line.head.into_owned(),
            body: body.to_vec(),
            verification: line.verification.into_owned(),
            state: ReceiptState::Pending,
            problem: None,
            senders_id: line.senders_id,
            alert_key: line.alert_key.map(Cow::into_owned),
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
