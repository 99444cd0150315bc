//! One receipt in the journal: a head of fixed size, a line of JSON, the body.
//!
//! The head is the file's salt (8 bytes), the record's number (8), how long the rest is (4), and a checksum of number, length
//! and rest (4), numbers in little-endian order. The rest begins with how long the JSON is (4). A record is padded to a
//! multiple of 8 bytes. Nobody outside knows the salt, so that no body can look like a record.

use std::{borrow::Cow, net::IpAddr};

use bugle_model::{Receipt, ReceiptState, Timestamp, id::Id, receipt::DedupKey};
use crc32fast::Hasher;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::receipts::Written;

/// Where records begin.
pub(super) const ALIGNMENT: usize = 8;
const HEAD: usize = 24;
const JSON_LENGTH: usize = 4;

/// A random number that is in each record of a file.
pub(super) type Salt = [u8; 8];

/// A receipt without its body. It is pending, and no other has the sender's id.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    id: i64,
    integration_id: i64,
    received_at: i64,
    remote_ip: IpAddr,
    #[serde(borrow)]
    correlation_id: Cow<'a, str>,
    body_hash: Option<[u8; 16]>,
    #[serde(borrow)]
    alert_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    verification: &'a RawValue,
    #[serde(borrow)]
    head: &'a RawValue,
}

/// A record, written but for what only the file knows.
pub(super) struct Record {
    rest: Vec<u8>,
    sum: Hasher,
}

impl Record {
    pub(super) fn of(written: &Written) -> serde_json::Result<Self> {
        let receipt = &written.receipt;
        let line = Line {
            id: receipt.id.as_i64(),
            integration_id: receipt.integration_id.as_i64(),
            received_at: receipt.received_at.as_millis(),
            remote_ip: receipt.remote_ip,
            correlation_id: Cow::Borrowed(&receipt.correlation_id),
            body_hash: receipt.dedup_key.map(|key| key.hash),
            alert_key: receipt.alert_key.as_deref().map(Cow::Borrowed),
            verification: &written.verification,
            head: &written.head,
        };
        let guess = 512 + written.verification.get().len() + written.head.get().len() + receipt.body.len();
        let mut rest = Vec::with_capacity(guess);
        rest.extend_from_slice(&[0; JSON_LENGTH]);
        serde_json::to_writer(&mut rest, &line)?;
        let length = u32::try_from(rest.len() - JSON_LENGTH).map_err(serde::ser::Error::custom)?;
        if let Some(place) = rest.first_chunk_mut() {
            *place = length.to_le_bytes();
        }
        rest.extend_from_slice(&receipt.body);
        let mut sum = Hasher::new();
        sum.update(&rest);
        Ok(Self { rest, sum })
    }

    /// Bytes that it takes in the file.
    pub(super) fn len(&self) -> usize {
        HEAD + self.rest.len().next_multiple_of(ALIGNMENT)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, salt: Salt, number: i64) {
        let end = out.len() + self.len();
        let number = number.to_le_bytes();
        let length = u32::try_from(self.rest.len()).unwrap_or(u32::MAX).to_le_bytes();
        out.extend_from_slice(&salt);
        out.extend_from_slice(&number);
        out.extend_from_slice(&length);
        out.extend_from_slice(&checksum(self.sum.clone(), number, length));
        out.extend_from_slice(&self.rest);
        out.resize(end, 0);
    }
}

/// What stands at the beginning of some bytes of the file.
pub(super) enum Found<'a> {
    /// Not a record.
    Nothing,
    /// The beginning of one whose rest is not as it was written.
    Broken(i64),
    /// One, and how many bytes it takes.
    Whole { number: i64, rest: &'a [u8], length: usize },
}

/// Looks for a record.
pub(super) fn find(bytes: &[u8], salt: Salt) -> Found<'_> {
    let Some(after) = bytes.strip_prefix(&salt) else { return Found::Nothing };
    let head = after.split_first_chunk::<8>().and_then(|(number, after)| {
        let (length, after) = after.split_first_chunk::<4>()?;
        let (sum, after) = after.split_first_chunk::<4>()?;
        Some((*number, *length, *sum, after))
    });
    let Some((number, length, sum, after)) = head else { return Found::Nothing };
    let count = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    let mut hasher = Hasher::new();
    let rest = after.get(..count).filter(|rest| {
        hasher.update(rest);
        checksum(hasher.clone(), number, length) == sum
    });
    let number = i64::from_le_bytes(number);
    rest.map_or(Found::Broken(number), |rest| Found::Whole {
        number,
        rest,
        length: HEAD + count.next_multiple_of(ALIGNMENT),
    })
}

fn checksum(mut of_rest: Hasher, number: [u8; 8], length: [u8; 4]) -> [u8; 4] {
    of_rest.update(&number);
    of_rest.update(&length);
    of_rest.finalize().to_le_bytes()
}

/// Reads what a record holds.
pub(super) fn read(rest: &[u8]) -> serde_json::Result<Written> {
    let short = || serde::de::Error::custom("it is too short");
    let (length, rest) = rest.split_first_chunk::<JSON_LENGTH>().ok_or_else(short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(serde::de::Error::custom)?;
    let (line, body) = rest.split_at_checked(length).ok_or_else(short)?;
    let line: Line<'_> = serde_json::from_slice(line)?;
    let receipt = Receipt {
        id: Id::from_i64(line.id),
        integration_id: Id::from_i64(line.integration_id),
        received_at: Timestamp::from_millis(line.received_at),
        remote_ip: line.remote_ip,
        correlation_id: line.correlation_id.into_owned(),
        head: serde_json::from_str(line.head.get())?,
        body: body.to_vec(),
        verification: serde_json::from_str(line.verification.get())?,
        state: ReceiptState::Pending,
        problem: None,
        dedup_key: line.body_hash.map(|hash| DedupKey { hash, explicit: false }),
        alert_key: line.alert_key.map(Cow::into_owned),
    };
    Ok(Written { receipt, verification: line.verification.to_owned(), head: line.head.to_owned() })
}
