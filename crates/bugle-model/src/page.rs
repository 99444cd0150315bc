//! Lists come in pages; a cursor says where the next one starts.

use serde::Serialize;

/// Where a page ended: the sort key of its last row, opaque to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub i64);

/// One page of a list, newest first.
#[derive(Debug, Clone, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Give it back as `cursor` for the next page; `null` on the last one.
    pub next_cursor: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same page with each row changed.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(change).collect(), next_cursor: self.next_cursor }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::str::FromStr for Cursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        i64::from_str_radix(text, 16).map(Self)
    }
}
