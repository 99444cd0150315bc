//! Anomify, which finds anomalies in metrics and tells of each in up to three posts: when it begins, when its correlations
//! are known, and when it is over.
//!
//! - `wire`: the document's names, and how a score and a severity stand for each other.
//! - `source`: what Bugle makes of the posts, in whatever order they come.
//! - `dialect`: how Bugle tells of an incident to a receiver that expects Anomify.

mod dialect;
mod sample;
mod source;
#[cfg(test)]
mod tests;
mod wire;

/// Anomify as a source.
#[derive(Debug, Clone, Copy)]
pub struct Anomify;

/// Anomify's posts as a dialect.
#[derive(Debug, Clone, Copy)]
pub struct AnomifyDialect;
