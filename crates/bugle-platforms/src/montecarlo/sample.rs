//! A realistic call about a table whose volume is off.

use bugle_model::Timestamp;
use serde_json::{Map, Value, json};

use super::{TYPE_ANOMALY, VERSION};
use crate::{
    invented,
    source::{Sample, SamplePhase},
};

pub(super) fn sample(phase: SamplePhase, key: &str, _: Timestamp) -> Sample {
    let id = invented::uuid("montecarlo incident", key);
    let rows = invented::number("montecarlo rows", key) % 10_000;
    let mut body = json!({
        "account": { "id": invented::uuid("montecarlo account", "bugle") },
        "action": "incident",
        "payload": {
            "event_list": [{
                "event_details": format!("Has {rows} rows vs. {} expected", rows * 3 + 100),
                "table_name": key.replace('/', "_"),
            }],
            "group_id": "lakehouse:sales",
            "incident_id": id,
            "url": format!("https://getmontecarlo.com/alerts/{id}"),
        },
        "type": TYPE_ANOMALY,
        "version": VERSION,
    });
    if let Value::Object(fields) = &mut body {
        fields.extend(changed(phase));
    }
    Sample::json(&body)
}

fn changed(phase: SamplePhase) -> Map<String, Value> {
    let changed = match phase {
        SamplePhase::Firing => json!({ "alert_feedback": null, "declared_alert_severity": null }),
        SamplePhase::Update => {
            json!({ "alert_feedback": "investigating", "declared_alert_severity": "SEV-2" })
        }
        SamplePhase::Resolved => json!({ "alert_feedback": "fixed" }),
    };
    changed.as_object().cloned().unwrap_or_default()
}
