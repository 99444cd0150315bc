//! The sorted lists of sources and dialects. URLs, docs, metric labels and CLI completion all derive from them.

use crate::{dialect::{Dialect, StandardWebhooks, Template}, source::Source};

/// Every platform that calls us, sorted by slug.
pub const SOURCES: &[&dyn Source] = &[];

/// Every way that we call, sorted by slug.
pub const DIALECTS: &[&dyn Dialect] = &[&StandardWebhooks, &Template];

/// The source called `slug`.
pub fn source(slug: &str) -> Option<&'static dyn Source> {
    SOURCES.iter().find(|source| source.slug() == slug).copied()
}

/// The dialect called `slug`.
pub fn dialect(slug: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().find(|dialect| dialect.slug() == slug).copied()
}
