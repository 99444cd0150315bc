//! Cutting lists into pages.

use bugle_model::{Cursor, Page, limits};
use bugle_store::PageRequest;

/// Rows that a filter without an index of its own may pass over for one page. Beyond that the page ends early, with a
/// cursor to go on from: a page's cost does not grow with what is stored.
pub(crate) const EXAMINED_MAX: u32 = 2_000;

/// Rows on a page.
pub(crate) fn size(page: PageRequest) -> usize {
    usize::try_from(page.limit.clamp(1, limits::PAGE_MAX)).unwrap_or(1)
}

/// What to ask the database for: one row more than the page holds, to know whether there is another page.
pub(crate) fn rows(page: PageRequest) -> u32 {
    page.limit.clamp(1, limits::PAGE_MAX) + 1
}

/// The key that rows of a list from newest to oldest must be below.
pub(crate) fn below(page: PageRequest) -> i64 {
    page.cursor.map_or(i64::MAX, |cursor| cursor.0)
}

/// The key that rows of a list from oldest to newest must be above.
pub(crate) fn above(page: PageRequest) -> i64 {
    page.cursor.map_or(-1, |cursor| cursor.0)
}

/// Collects a page's rows with their keys until there is one too many.
#[derive(Debug)]
pub(crate) struct Pager<T> {
    size: usize,
    rows: Vec<T>,
    last_key: i64,
    more: bool,
}

impl<T> Pager<T> {
    pub(crate) fn new(page: PageRequest) -> Self {
        Self { size: size(page), rows: Vec::new(), last_key: 0, more: false }
    }

    /// Takes a row, or learns that there are more than the page holds; then it is full.
    pub(crate) fn push(&mut self, key: i64, row: T) {
        if self.rows.len() < self.size {
            self.rows.push(row);
            self.last_key = key;
        } else {
            self.more = true;
        }
    }

    /// Whether more rows would change nothing.
    pub(crate) fn is_full(&self) -> bool {
        self.more
    }

    /// The page.
    pub(crate) fn finish(self) -> Page<T> {
        Page { next_cursor: self.more.then_some(Cursor(self.last_key)), data: self.rows }
    }

    /// The page of a search that stopped early at `key`.
    pub(crate) fn finish_early(self, key: i64) -> Page<T> {
        let cursor = if self.rows.len() < self.size { key } else { self.last_key };
        Page { next_cursor: Some(Cursor(cursor)), data: self.rows }
    }
}
