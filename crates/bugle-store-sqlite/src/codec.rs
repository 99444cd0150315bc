//! How nouns become columns: states as small integers, documents as JSON text.

use bugle_model::{DeliveryState, IncidentStatus, ReceiptState, Scope, Severity, Timestamp};
use rusqlite::{Row, types::Type};
use serde::{Serialize, de::DeserializeOwned};

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

/// Writes a document.
pub(crate) fn encode(document: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(document).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// Reads a document without copying its text.
pub(crate) fn decode<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    decode_or_none(row, column)?
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(column, "document".to_owned(), Type::Null))
}

/// Reads a document that may not be.
pub(crate) fn decode_or_none<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error)
    };
    let Some(text) = row.get_ref(column)?.as_str_or_null().map_err(|error| broken(Box::new(error)))? else {
        return Ok(None);
    };
    serde_json::from_str(text).map(Some).map_err(|error| broken(Box::new(error)))
}

/// Reads a text that is parsed, such as an address.
pub(crate) fn parse<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
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
    fn the_schema_tells_settled_and_resolved_apart_by_their_numbers() {
        for state in DeliveryState::ALL {
            assert_eq!(state.is_settled(), state.code() >= 2, "{state:?}");
        }
        for status in IncidentStatus::ALL {
            assert_eq!(status.is_resolved(), status.code() >= 3, "{status:?}");
        }
    }
}
