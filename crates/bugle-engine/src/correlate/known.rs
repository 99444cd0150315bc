//! What is kept of an alert's state before a signal changes it.

use bugle_model::{Alert, Severity, Signal};

/// What was known of an alert before a signal, as far as its incident's timeline tells of changes to it.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) severity: Severity,
    /// Whether it was only heard of in part.
    pub(super) partial: bool,
    /// How many.
    pub(super) correlations: usize,
    /// How many.
    pub(super) related: usize,
}

impl Known {
    pub(super) fn of(alert: &Alert) -> Self {
        let Signal { partial, correlations, related, .. } = &alert.signal;
        let (correlations, related) = (correlations.len(), related.len());
        Self { severity: alert.severity, partial: *partial, correlations, related }
    }
}
