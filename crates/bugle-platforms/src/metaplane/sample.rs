//! A realistic call.

use std::time::Duration;

use bugle_model::Timestamp;
use serde_json::json;

use super::idempotency_id;
use crate::{
    invented,
    source::{Sample, SamplePhase},
};

pub(super) fn sample(phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
    let (status, label, opened_at) = match phase {
        SamplePhase::Firing => ("opened", None, at),
        SamplePhase::Update => ("opened", Some("investigating"), at.minus(Duration::from_mins(1))),
        SamplePhase::Resolved => ("resolved", Some("investigating"), at.minus(Duration::from_mins(2))),
    };
    let id = (invented::number("metaplane incident", key) % 1_000_000).to_string();
    let labels: Vec<_> = label
        .iter()
        .map(|name| json!({"id": invented::uuid("metaplane label", name), "name": name}))
        .collect();
    Sample::json(&json!({
        "id": id,
        "createdAt": opened_at,
        "updatedAt": at,
        "idempotencyId": idempotency_id(&id, at),
        "status": status,
        "acknowledged": false,
        "acknowledgedAt": null,
        "incidentUrl": format!("https://app.metaplane.example/incident/{id}"),
        "labels": labels,
        "affectedMonitors": [{
            "id": (invented::number("metaplane affected", key) % 1_000_000).to_string(),
            "monitor": {
                "id": invented::uuid("metaplane monitor", key),
                "type": "FRESHNESS",
                "name": format!("Freshness of {key}"),
                "entityType": "table",
                "absolutePath": "WAREHOUSE.SALES.invoices",
            },
            "linkedAt": opened_at,
            "resolvedAt": (status == "resolved").then_some(at),
            "group": null,
            "connections": [{
                "id": invented::uuid("metaplane connection", "warehouse"),
                "name": "warehouse",
                "type": "SNOWFLAKE",
            }],
        }],
    }))
}
