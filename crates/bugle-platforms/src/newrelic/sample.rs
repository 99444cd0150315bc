//! A realistic call of a workflow, in the template that `SETUP.md` recommends.

use bugle_model::Timestamp;
use serde_json::{Value, json};

use crate::{
    invented,
    source::{Sample, SamplePhase},
};

pub(super) fn sample(phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
    let (state, trigger, owner) = match phase {
        SamplePhase::Firing => ("ACTIVATED", "STATE_CHANGE", ""),
        SamplePhase::Update => ("ACTIVATED", "USER_ACTION", "Robin Castell"),
        SamplePhase::Resolved => ("CLOSED", "INCIDENT_CLOSED", "Robin Castell"),
    };
    let id = invented::uuid("newrelic issue", key);
    // When it began is known to the firing call only.
    let created = if phase == SamplePhase::Firing { json!(at.as_millis()) } else { Value::Null };
    let mut sample = Sample::json(&json!({
        "id": id,
        "issueUrl": format!("https://radar-api.service.newrelic.example/accounts/310022/issues/{id}?notifier=WEBHOOK"),
        "title": format!("Disk usage is high on {} ({key})", invented::host(key)),
        "priority": "HIGH",
        "impactedEntities": [invented::host(key)],
        "totalIncidents": 1,
        "state": state,
        "trigger": trigger,
        "isCorrelated": false,
        "owner": owner,
        "createdAt": created,
        "updatedAt": at.as_millis(),
        "sources": ["newrelic"],
        "alertPolicyNames": ["Storage"],
        "alertConditionNames": ["Disk usage"],
        "workflowName": "to-bugle",
    }));
    sample.headers.push(("user-agent".into(), "NewRelic".into()));
    sample
}
