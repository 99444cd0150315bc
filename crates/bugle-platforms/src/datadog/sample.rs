//! A realistic call, in the payload that `SETUP.md` recommends.

use bugle_model::Timestamp;
use serde_json::json;

use crate::{
    invented,
    source::{Sample, SamplePhase},
};

pub(super) fn sample(phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
    let (transition, kind) = match phase {
        SamplePhase::Firing => ("Triggered", "error"),
        SamplePhase::Update => ("Re-Triggered", "error"),
        SamplePhase::Resolved => ("Recovered", "success"),
    };
    let host = invented::host(key);
    let monitor = invented::number("datadog monitor", key);
    let hex: String = invented::hex_digits("datadog cycle", key).chars().take(32).collect();
    let group: String = invented::hex_digits("datadog group", key).chars().take(32).collect();
    let millis = at.as_millis().to_string();
    let title = format!("Disk usage is high on {host} ({key})");
    let mut sample = Sample::json(&json!({
        "alert_cycle_key": hex,
        "aggreg_key": group,
        "alert_id": monitor.to_string(),
        "alert_scope": format!("host:{host}"),
        "alert_title": title,
        "alert_transition": transition,
        "alert_type": kind,
        "alert_status": format!("system.disk.in_use over host:{host} was > 0.9 on average during the last 10m."),
        "alert_priority": "P2",
        "alert_metric": "system.disk.in_use",
        "alert_query": "avg(last_10m):avg:system.disk.in_use{*} by {host} > 0.9",
        "event_id": format!("7{}", invented::number("datadog event", &format!("{key}{millis}"))),
        "event_type": "query_alert_monitor",
        "event_title": format!("[P2] [{transition} on {{host:{host}}}] {title}"),
        "event_msg": "%%%\nLess than a tenth of the disk is left. @webhook-bugle\n%%%",
        "text_only_msg": "Less than a tenth of the disk is left.",
        "date": millis,
        "last_updated": millis,
        "hostname": host,
        "tags": format!("env:demo,host:{host},monitor,service:storage"),
        "link": format!("https://app.datadoghq.example/monitors/{monitor}?group=host%3A{host}"),
        "snapshot": "null",
        "org_id": "310022",
        "org_name": "Demo",
        "username": "",
        "incident_public_id": "null",
    }));
    sample.headers.push(("user-agent".into(), "Datadog Webhook".into()));
    sample
}
