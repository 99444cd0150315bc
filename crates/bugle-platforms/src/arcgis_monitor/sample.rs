//! A realistic call.

use std::time::Duration;

use bugle_model::Timestamp;
use serde_json::json;

use crate::{
    invented,
    source::{Sample, SamplePhase},
};

pub(super) fn sample(phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
    let (operation, status, value, opened_at, closed_at) = match phase {
        SamplePhase::Firing => ("add", 2, 81.5, at, None),
        SamplePhase::Update => ("update", 3, 93.25, at.minus(Duration::from_mins(1)), None),
        SamplePhase::Resolved => ("update", 0, 37.0, at.minus(Duration::from_mins(2)), Some(at)),
    };
    let host = invented::host(key);
    let trace = format!("{key}{operation}{at}");
    Sample::json(&json!({
        "info": {
            "id": "4",
            "name": "Bugle",
            "monitor_url": "https://monitor.example.com/arcgis/",
            "version": "2024.0.0",
            "sent_at": at.as_millis(),
            "trace_id": invented::uuid("arcgis call", &trace),
        },
        "events": [{
            "operation": operation,
            "resource": "alerts",
            "occurred_at": at.as_millis(),
            "attributes": {
                "id": invented::number("arcgis alert", key),
                "name": "Memory Utilized",
                "metric_id": invented::number("arcgis metric", key),
                "observer_id": invented::number("arcgis observer", host),
                "component_id": invented::number("arcgis component", host),
                "component_name": format!("{host}.example.com"),
                "component_type": "host",
                "component_subtype": "linux",
                "aggregation": "avg",
                "operator": ">=",
                "samples": 5,
                "info_threshold": null,
                "warning_threshold": 80,
                "critical_threshold": 90,
                "value": value,
                "state": if closed_at.is_some() { "closed" } else { "open" },
                "status": status,
                "created_at": opened_at.as_millis(),
                "opened_at": opened_at.as_millis(),
                "closed_at": closed_at.map(Timestamp::as_millis),
            },
        }],
    }))
}
