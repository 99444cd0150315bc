//! The names in Anomify's document, which are words with spaces between them, and what its score means.

use bugle_model::Severity;

/// The key that the receiver gives to Anomify.
pub(super) const API_KEY_HEADER: &str = "x-api-key";
/// Metrics that moved together with this one, by name.
pub(super) const CORRELATIONS: &str = "cross correlations";
/// Anomalies that may belong to this one, by id.
pub(super) const RELATED_ANOMALIES: &str = "possible related anomalies";
/// Known patterns that may belong to this one, by id.
pub(super) const RELATED_MATCHES: &str = "possible related matches";
/// [`bugle_model::signal::Related::kind`] of an anomaly.
pub(super) const ANOMALY: &str = "anomaly";
/// [`bugle_model::signal::Related::kind`] of a match.
pub(super) const MATCH: &str = "match";
/// The label that keeps the metric's name.
pub(super) const METRIC_LABEL: &str = "metric";

/// The least score of each severity. Anomify documents a range of 0 to 1 and no words, so the borders are Bugle's.
const SCORES_MIN: [(Severity, f64); 3] =
    [(Severity::Critical, 0.9), (Severity::High, 0.75), (Severity::Medium, 0.5)];

/// What a score means.
pub(super) fn severity(score: &str) -> Option<Severity> {
    let score: f64 = score.trim().parse().ok()?;
    let reached = SCORES_MIN.iter().find(|(_, least)| score >= *least);
    Some(reached.map_or(Severity::Low, |(severity, _)| *severity))
}

/// The score that stands for a severity that came without one: within the borders of [`severity`]. Anomify has nothing
/// below low, so `info` comes back as low.
pub(super) const fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "0.95",
        Severity::High => "0.8",
        Severity::Medium => "0.6",
        Severity::Low => "0.3",
        Severity::Info => "0.1",
    }
}
