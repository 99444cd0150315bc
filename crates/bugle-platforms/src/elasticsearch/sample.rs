//! A realistic call of Kibana's connector, in the template that `SETUP.md` recommends.

use bugle_model::Timestamp;
use serde_json::json;

use crate::{
    invented,
    source::{Sample, SamplePhase},
};

pub(super) fn sample(phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
    let host = invented::host(key);
    let rule = invented::uuid("kibana rule", key);
    let uuid = invented::uuid("kibana alert", key);
    let (group, name, severity) = match phase {
        SamplePhase::Firing => ("metrics.inventory_threshold.warning", "Warning", "medium"),
        SamplePhase::Update => ("metrics.inventory_threshold.fired", "Alert", "high"),
        SamplePhase::Resolved => ("recovered", "Recovered", "high"),
    };
    let mut sample = Sample::json(&json!({
        "date": at.to_string(),
        "severity": severity,
        "rule": {
            "id": rule,
            "name": format!("Disk usage is high ({key})"),
            "type": "metrics.alert.inventory.threshold",
            "tags": "env:demo,storage",
            "spaceId": "default",
            "url": format!("https://kibana.example.com/app/observability/alerts/rules/{rule}"),
        },
        "alert": {
            "id": host,
            "uuid": uuid,
            "actionGroup": group,
            "actionGroupName": name,
            "flapping": "false",
            "consecutiveMatches": "1",
        },
        "context": {
            "reason": format!("Disk usage is 92 % in the last 5 minutes for {host}. Alert when above 90 %."),
            "value": "92%",
            "timestamp": at.to_string(),
            "alertDetailsUrl": format!("https://kibana.example.com/app/observability/alerts/{uuid}"),
        },
    }));
    sample.headers.push(("kbn-xsrf".into(), "true".into()));
    sample
}
