//! Realistic calls: what the documented template becomes.

use serde_json::json;

use crate::{
    invented,
    source::{Sample, SamplePhase},
};

/// The documented template holds no time, so none is needed.
pub(super) fn sample(phase: SamplePhase, key: &str) -> Sample {
    let (severity, status) = match phase {
        SamplePhase::Firing => ("high", "open"),
        SamplePhase::Update => ("critical", "open"),
        SamplePhase::Resolved => ("critical", "resolved"),
    };
    Sample::json(&json!({
        "incident_id": invented::uuid("overwatch incident", key),
        "title": format!("Disk is filling up on {}", invented::host(key)),
        "severity": severity,
        "status": status,
    }))
}
