//! Realistic posts.

use std::time::Duration;

use bugle_model::Timestamp;
use serde_json::json;

use super::wire;
use crate::{
    invented,
    source::{Sample, SamplePhase},
};

/// How long the invented anomaly has lasted when it ends.
const LASTED: Duration = Duration::from_mins(11);

pub(super) fn sample(phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
    let host = invented::host(key);
    let began = if phase == SamplePhase::Resolved { at.minus(LASTED) } else { at };
    let mut anomaly = json!({
        "anomalyScore": 0.82,
        "id": invented::number("anomify anomaly", key).to_string(),
        "metric": format!("{host}.disk.sda.io_time"),
        "timestamp": began.as_seconds(),
        "value": 871.25,
    });
    if let Some(members) = anomaly.as_object_mut().filter(|_| phase != SamplePhase::Firing) {
        let numbers = |coefficient| json!({"coefficient": coefficient, "shifted": 0, "shifted_coefficient": coefficient});
        let number = |purpose| invented::number(purpose, key).to_string();
        members.insert(
            wire::CORRELATIONS.into(),
            json!({format!("{host}.cpu.total.iowait"): numbers(0.98714), format!("{host}.procs_blocked"): numbers(0.95308)}),
        );
        members.insert(
            wire::RELATED_ANOMALIES.into(),
            json!({number("anomify related"): {"metric": format!("{host}.cpu.total.iowait"), "timestamp": began.as_seconds()}}),
        );
        members.insert(
            wire::RELATED_MATCHES.into(),
            json!({number("anomify match"): {
                "timestamp": began.as_seconds(),
                "fp id": 4107,
                "layer id": "None",
                "metric": format!("{host}.postgres.commits"),
            }}),
        );
        if phase == SamplePhase::Resolved {
            members.insert("end_timestamp".into(), at.as_seconds().into());
        }
    }
    Sample::json(&json!({"data": {"anomaly": anomaly}, "status": {}}))
}
