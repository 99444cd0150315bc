//! How nouns become columns: states as small integers, documents as JSON text.

use std::error::Error;

use bugle_model::{DeliveryState, IncidentStatus, ReceiptState, Scope, Severity, Timestamp};
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use rusqlite::{
    Row,
    types::{Type, Value, ValueRef},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::turn::Turn;

/// A state that is stored as an integer. The numbers are part of the schema.
pub(crate) trait Code: Copy {
    fn code(self) -> i64;
    fn from_code(code: i64) -> Option<Self>;
}

macro_rules! codes {
    ($($noun:ident { $($name:ident = $code:literal),* $(,)? })*) => {$(
        impl Code for $noun {
            fn code(self) -> i64 {
                match self { $(Self::$name => $code,)* }
            }
            fn from_code(code: i64) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    )*};
}

codes! {
    ReceiptState { Pending = 0, Processed = 1, Ignored = 2, Duplicate = 3, Rejected = 4, Undecodable = 5 }
    DeliveryState { Pending = 0, Blocked = 1, Delivered = 2, Dead = 3, Skipped = 4 }
    IncidentStatus {
        Open = 0, Acknowledged = 1, WorkInProgress = 2, Fixed = 3, Expected = 4, NoActionNeeded = 5, FalsePositive = 6,
    }
    Severity { Info = 0, Low = 1, Medium = 2, High = 3, Critical = 4 }
    Scope { Read = 0, Operate = 1, Admin = 2 }
}

/// Reads a state.
pub(crate) fn state<C: Code>(row: &Row<'_>, column: usize) -> rusqlite::Result<C> {
    let code = row.get(column)?;
    C::from_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, code))
}

/// Reads a moment.
pub(crate) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// Reads a moment that may not be.
pub(crate) fn moment_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

/// Writes a document as text.
pub(crate) fn encode(document: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(document).map_err(unwritten)
}

/// What cannot be written as SQLite wants it.
pub(crate) fn unwritten(error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// Documents shorter than this are kept as they are.
const PACKED_BYTES_MIN: usize = 256;

/// Writes documents that are kept in large numbers: compressed, as their parts repeat each other. Pages are what a commit
/// costs, and this halves them. Smaller ones stay as they are; both read back the same. What it works in is used again for
/// the next document.
#[derive(Default)]
pub(crate) struct Packer {
    table: CompressTable,
    text: Vec<u8>,
    packed: Vec<u8>,
    turn: Turn,
}

impl Packer {
    /// Writes a document: packed as a blob that begins with its length, or as text.
    pub(crate) fn pack(&mut self, document: &impl Serialize) -> rusqlite::Result<Value> {
        self.text.clear();
        serde_json::to_writer(&mut self.text, document).map_err(unwritten)?;
        if self.text.len() < PACKED_BYTES_MIN {
            return String::from_utf8(self.text.clone()).map(Value::Text).map_err(unwritten);
        }
        let text = std::mem::take(&mut self.text);
        let packed = self.pack_bytes(&text);
        self.text = text;
        packed.map(Value::Blob)
    }

    /// Packs bytes; they begin with their length.
    pub(crate) fn pack_bytes(&mut self, bytes: &[u8]) -> rusqlite::Result<Vec<u8>> {
        self.turn.pass();
        self.packed.resize(get_maximum_output_size(bytes.len()), 0);
        let length = compress_into_with_table(bytes, &mut self.packed, &mut self.table).map_err(unwritten)?;
        let size = u32::try_from(bytes.len()).map_err(unwritten)?;
        let mut blob = Vec::with_capacity(size_of::<u32>() + length);
        blob.extend_from_slice(&size.to_le_bytes());
        blob.extend(self.packed.iter().take(length));
        Ok(blob)
    }
}

/// How long a stored document is as text, whether or not it is packed.
pub(crate) fn unpacked_bytes(stored: ValueRef<'_>) -> usize {
    match stored {
        ValueRef::Blob(packed) => packed
            .first_chunk()
            .and_then(|size| usize::try_from(u32::from_le_bytes(*size)).ok())
            .unwrap_or_default(),
        ValueRef::Text(text) => text.len(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
    }
}

/// Reads packed bytes.
pub(crate) fn unpack(stored: ValueRef<'_>) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    Ok(lz4_flex::block::decompress_size_prepended(stored.as_blob()?)?)
}

/// Reads a document, packed or not.
pub(crate) fn decode<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    decode_or_none(row, column)?
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(column, "document".to_owned(), Type::Null))
}

/// Reads a document that may not be.
pub(crate) fn decode_or_none<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    let broken = |error: Box<dyn Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error)
    };
    let parsed = match row.get_ref(column)? {
        ValueRef::Null => return Ok(None),
        packed @ ValueRef::Blob(_) => {
            // As text at once, so that not each string in it is looked at by itself.
            let bytes = unpack(packed).map_err(broken)?;
            serde_json::from_str(str::from_utf8(&bytes).map_err(|error| broken(error.into()))?)
        }
        text => serde_json::from_str(text.as_str().map_err(|error| broken(Box::new(error)))?),
    };
    parsed.map(Some).map_err(|error| broken(Box::new(error)))
}

/// Reads a text that is parsed, such as an address.
pub(crate) fn parse<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let broken = |error: Box<dyn Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error)
    };
    let text = row.get_ref(column)?.as_str().map_err(|error| broken(Box::new(error)))?;
    text.parse().map_err(|error| broken(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<C: Code + PartialEq + std::fmt::Debug>(all: &[C]) {
        for state in all {
            assert_eq!(C::from_code(state.code()), Some(*state));
        }
        assert_eq!(C::from_code(-1), None);
        assert_eq!(C::from_code(99), None);
    }

    #[test]
    fn every_state_reads_back() {
        check(&ReceiptState::ALL);
        check(&DeliveryState::ALL);
        check(&IncidentStatus::ALL);
        check(&Severity::ALL);
        check(&[Scope::Read, Scope::Operate, Scope::Admin]);
    }

    #[test]
    fn documents_read_back_whether_packed_or_not() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let mut packer = Packer::default();
        for (document, packed) in [
            (vec!["short"], false),
            (vec!["a long one"; 100], true),
            (vec!["large"; 100_000], true),
            (vec!["short"], false),
        ] {
            let stored = packer.pack(&document).unwrap();
            assert_eq!(matches!(stored, Value::Blob(_)), packed);
            let size = match &stored {
                Value::Blob(bytes) => bytes.len(),
                _ => 0,
            };
            assert!(size < 4_000, "{size}");
            let (read, bytes): (Vec<String>, usize) = connection
                .query_row("SELECT ?1", [stored], |row| {
                    Ok((decode(row, 0)?, unpacked_bytes(row.get_ref(0)?)))
                })
                .unwrap();
            assert_eq!(
                (read, bytes),
                (document.iter().map(ToString::to_string).collect(), encode(&document).unwrap().len())
            );
        }
        let broken = connection.query_row("SELECT x'00010000ff'", [], |row| decode::<Vec<String>>(row, 0));
        assert!(broken.is_err(), "{broken:?}");
    }

    #[test]
    fn the_schema_tells_settled_and_resolved_apart_by_their_numbers() {
        for state in DeliveryState::ALL {
            assert_eq!(state.is_settled(), state.code() >= 2, "{state:?}");
        }
        for status in IncidentStatus::ALL {
            assert_eq!(status.is_resolved(), status.code() >= 3, "{status:?}");
        }
    }
}
