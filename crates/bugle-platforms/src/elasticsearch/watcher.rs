//! Executions of Watcher's watches: <https://www.elastic.co/docs/explore-analyze/alerting/watcher/actions-webhook>.
//!
//! A watch knows nothing of recovery: its author writes a second action for it, and so the status comes from the template.

use bugle_model::{
    Severity, Signal, SignalStatus, Timestamp,
    signal::{Entity, Labels, Measurement},
};

use super::kibana::is_blank;
use crate::{
    fields::Fields,
    json::{self, Value},
    source::Decoded,
};

/// Reads an execution, when the document names its watch. `raw` is what was sent.
pub(super) fn decode(document: &Value, raw: &Value) -> Option<Decoded> {
    let fields = Fields::new(document, is_blank);
    let watch = fields.first(&["watch_id", "ctx.watch_id", "metadata.watch_id"])?;
    let group = fields.first(&["group", "bucket", "key", "bucket_key"]);
    let fingerprint = fields.first(&["fingerprint", "dedup_key"]).unwrap_or_else(|| match &group {
        Some(group) => format!("{watch}:{group}"),
        None => watch.clone(),
    });
    let word = fields.first(&["status", "state", "event_action"]);
    let status = word.as_deref().map_or(SignalStatus::Firing, status);
    let severity_text = fields.first(&["severity", "metadata.severity", "priority", "metadata.priority"]);
    let observed_at = observed_at(&fields);
    let host = fields.first(&["host", "host.name", "hostname"]);
    let signal = Signal {
        fingerprint,
        status,
        severity: severity_text.as_deref().and_then(Severity::from_common_word),
        severity_text,
        title: fields.first(&["title", "metadata.title", "metadata.name"]).unwrap_or_else(|| watch.clone()),
        description: fields.first(&["message", "description", "text", "metadata.description"]),
        service: fields.first(&["service", "metadata.service", "service.name"]),
        entity: host.as_ref().map(|name| Entity { kind: "host".into(), name: name.clone(), path: None }),
        host,
        links: fields.links(&[
            ("alert", &["url", "link", "metadata.url"]),
            ("runbook", &["runbook_url", "metadata.runbook", "metadata.runbook_url"]),
            ("dashboard", &["dashboard_url", "metadata.dashboard", "metadata.dashboard_url"]),
        ]),
        started_at: fields.time(&["started_at"]),
        ended_at: fields.time(&["ended_at"]).or(observed_at).filter(|_| status == SignalStatus::Resolved),
        observed_at,
        measurements: measurements(&fields),
        labels: labels(document, watch, group),
        raw: raw.to_raw(),
        status_text: word.clone(),
        ..Signal::default()
    };
    let mut decoded = Decoded::signals(vec![signal]);
    if word.is_none() {
        decoded.remark = Some(
            "The body has no `status`, so it counts as firing and nothing resolves it: add `status` to the action, and a second \
             action for the recovery."
                .into(),
        );
    }
    Some(decoded)
}

fn status(word: &str) -> SignalStatus {
    match word.to_ascii_lowercase().as_str() {
        "resolved" | "resolve" | "recovered" | "ok" | "closed" | "cleared" => SignalStatus::Resolved,
        "acknowledged" | "acked" | "ack" => SignalStatus::Acknowledged,
        _ => SignalStatus::Firing,
    }
}

/// The time of execution, which an execution's id also ends with: `<watch>_<uuid>-<time>`.
fn observed_at(fields: &Fields<'_>) -> Option<Timestamp> {
    fields.time(&["execution_time", "ctx.execution_time", "triggered_time", "timestamp"]).or_else(|| {
        let id = fields.first(&["execution_id", "ctx.id"])?;
        let begins = id.match_indices('-').map(|(at, _)| at).rev().nth(2)?;
        json::rfc3339_or_epoch(&Value::String(id.get(begins + 1..)?.into()))
    })
}

/// What the watch's metadata say, and the watch itself.
fn labels(document: &Value, watch: String, group: Option<String>) -> Labels {
    let told_elsewhere =
        ["title", "name", "severity", "priority", "description", "url", "runbook", "dashboard"];
    let mut labels: Labels = ["metadata", "labels"]
        .iter()
        .filter_map(|name| document.get(name))
        .flat_map(Value::pairs)
        .filter(|(name, _)| !told_elsewhere.contains(&name.as_ref()))
        .filter_map(|(name, value)| Some((name.to_string(), value.text()?.to_owned())))
        .collect();
    labels.insert("watch".to_owned(), watch);
    labels.extend(group.map(|group| ("group".to_owned(), group)));
    labels
}

fn measurements(fields: &Fields<'_>) -> Vec<Measurement> {
    let named = |metric: &str, names: &[&str]| {
        Some(Measurement {
            metric: metric.into(),
            value: Some(fields.first(names)?),
            threshold: fields.first(&["threshold", "metadata.threshold"]),
            ..Measurement::default()
        })
    };
    named("value", &["value"])
        .or_else(|| named("hits", &["hits", "payload.hits.total.value", "payload.hits.total"]))
        .into_iter()
        .collect()
}
