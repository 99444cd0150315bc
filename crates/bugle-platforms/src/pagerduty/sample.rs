//! A realistic V3 event.

use bugle_model::Timestamp;
use serde_json::json;

use crate::{
    invented,
    source::{Sample, SamplePhase},
};

pub(super) fn sample(phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
    let (event_type, status) = match phase {
        SamplePhase::Firing => ("incident.triggered", "triggered"),
        SamplePhase::Update => ("incident.acknowledged", "acknowledged"),
        SamplePhase::Resolved => ("incident.resolved", "resolved"),
    };
    let id = format!("Q{}", invented::capitals("pagerduty incident", key, 13));
    let event_id =
        format!("01{}", invented::capitals("pagerduty event", &format!("{key}{event_type}{at}"), 24));
    let reference = |kind: &str, path: &str, id: &str, summary: &str| {
        json!({
            "id": id,
            "type": format!("{kind}_reference"),
            "self": format!("https://api.pagerduty.example/{path}/{id}"),
            "html_url": format!("https://demo.pagerduty.example/{path}/{id}"),
            "summary": summary,
        })
    };
    let person = reference("user", "users", "PDEMO51", "Robin Castell");
    let service = reference("service", "services", "PDEMO52", "Storage");
    let mut data = json!({
        "id": id,
        "type": "incident",
        "self": format!("https://api.pagerduty.example/incidents/{id}"),
        "html_url": format!("https://demo.pagerduty.example/incidents/{id}"),
        "number": invented::number("pagerduty number", key) % 100_000,
        "status": status,
        "incident_key": key,
        "created_at": at.to_string(),
        "title": format!("Disk usage is high on {} ({key})", invented::host(key)),
        "service": service,
        "assignees": [person],
        "escalation_policy": reference("escalation_policy", "escalation_policies", "PDEMO53", "Storage on call"),
        "teams": [reference("team", "teams", "PDEMO54", "Storage")],
        "priority": reference("priority", "account/incident_priorities", "PDEMO55", "P2"),
        "urgency": "high",
        "conference_bridge": null,
        "resolve_reason": null,
    });
    if phase != SamplePhase::Firing
        && let Some(data) = data.as_object_mut()
    {
        // When it began is known to the firing call only.
        data.remove("created_at");
    }
    let mut sample = Sample::json(&json!({
        "event": {
            "id": event_id,
            "event_type": event_type,
            "resource_type": "incident",
            "occurred_at": at.to_string(),
            "agent": if phase == SamplePhase::Firing { service } else { person },
            "client": null,
            "data": data,
        }
    }));
    sample.headers.push(("user-agent".into(), "PagerDuty-Webhook/V3.0".into()));
    sample.headers.push(("x-webhook-id".into(), invented::uuid("pagerduty delivery", &event_id)));
    sample
}
