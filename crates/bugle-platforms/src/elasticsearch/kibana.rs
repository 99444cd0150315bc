//! Alerts of Kibana's rules: <https://www.elastic.co/docs/explore-analyze/alerting/alerts/rule-action-variables>.
//!
//! A rule's action is run for each alert, with the variables `rule`, `alert` and `context`, or once for all of them as a
//! summary, with alert documents whose names are `kibana.alert.*`. Both hold the same facts under different names.

use bugle_model::{
    Severity, Signal, SignalStatus,
    signal::{Entity, Labels, Measurement},
};

use crate::{fields::Fields, json::Value, source::Decoded};

/// What templates leave where there is no value.
pub(super) fn is_blank(text: &str) -> bool {
    matches!(text, "null" | "undefined" | "[object Object]" | "NaN" | "Infinity" | "-Infinity")
        || text.starts_with("{{") && text.ends_with("}}")
}

/// A summary: `alerts.new`, `.ongoing` and `.recovered`, or where only that is there `.all`, each with its `data`.
pub(super) fn summary(document: &Value) -> Option<Decoded> {
    let alerts = document.get("alerts").filter(|alerts| alerts.is_object())?;
    let parts = [
        ("new", SignalStatus::Firing),
        ("ongoing", SignalStatus::Firing),
        ("recovered", SignalStatus::Resolved),
    ];
    let is_summary = parts.iter().any(|(name, _)| alerts.get(name).is_some()) || alerts.get("all").is_some();
    if !is_summary {
        return None;
    }
    let has_parts = parts.iter().any(|(name, _)| !data(alerts, name).is_empty());
    let parts = if has_parts { &parts[..] } else { &[("all", SignalStatus::Firing)] };
    let mut decoded = Decoded::default();
    let mut unread = 0_usize;
    for (part, status) in parts {
        for item in data(alerts, part) {
            match one(item, item, Some((document, *status))) {
                Some(signal) => decoded.signals.push(signal),
                None => unread += 1,
            }
        }
    }
    if unread > 0 {
        decoded.remark = Some(format!(
            "{unread} of the alerts in the summary have neither `kibana.alert.uuid` nor a rule and an instance, and were left out."
        ));
    }
    if decoded.signals.is_empty() {
        decoded.ignored = Some(
            "The summary holds no alerts: if there should be some, put `{{{alerts.new.data.asJSON}}}` and its like into the template.".into(),
        );
    }
    Some(decoded)
}

fn data<'a>(alerts: &'a Value<'a>, part: &str) -> &'a [Value<'a>] {
    alerts.get(part).and_then(|part| part.get("data")).map(Value::items).unwrap_or_default()
}

/// One alert, when the document is one of Kibana's. `raw` is what was sent for it.
pub(super) fn signal(document: &Value, raw: &Value) -> Option<Signal> {
    one(document, raw, None)
}

fn one(document: &Value, raw: &Value, within: Option<(&Value, SignalStatus)>) -> Option<Signal> {
    let fields = Fields::new(document, is_blank);
    let outer = Fields::new(within.map_or(document, |(summary, _)| summary), is_blank);
    let rule = fields.first(&["rule.id", "kibana.alert.rule.uuid"]).or_else(|| outer.first(&["rule.id"]));
    let name = fields.first(&["rule.name", "kibana.alert.rule.name"]).or_else(|| outer.first(&["rule.name"]));
    let instance = fields.first(&["alert.id", "kibana.alert.instance.id"]);
    let place = rule.as_ref().zip(instance.as_ref()).map(|(rule, instance)| format!("{rule}:{instance}"));
    let is_kibana = rule.is_some() || name.is_some() || fields.value("kibana.alert.status").is_some();
    let fingerprint = fields
        .first(&["alert.uuid", "kibana.alert.uuid"])
        .or_else(|| fields.first(&["_id"]).filter(|_| is_kibana))
        .or_else(|| place.clone())
        .or_else(|| rule.clone().filter(|_| document.get("rule").is_some()))?;

    let (status, status_text) = status(&fields, within.map(|(_, status)| status));
    let (severity, severity_text) = severity(&fields).or_else(|| severity(&outer)).unzip();
    let observed_at = fields
        .time(&["date", "kibana.alert.rule.execution.timestamp", "@timestamp", "context.timestamp"])
        .or_else(|| outer.time(&["date"]));
    let service = fields.first(&["service.name", "context.service.name", "context.serviceName"]);
    let host = fields.first(&["host.name", "context.host.name", "host.hostname"]).or_else(|| {
        let by_host =
            fields.first(&["rule.type"]).is_some_and(|kind| kind == "metrics.alert.inventory.threshold");
        instance.clone().filter(|_| by_host)
    });
    Some(Signal {
        grouping_key: place.filter(|place| *place != fingerprint),
        fingerprint,
        status,
        status_text,
        severity,
        severity_text,
        title: name.or(rule).unwrap_or_else(|| "Kibana alert".into()),
        description: fields.list(&[
            "context.reason",
            "context.message",
            "kibana.alert.reason",
            "message",
            "reason",
        ]),
        labels: labels(&fields, &outer, instance),
        annotations: annotations(&fields),
        entity: entity(host.as_ref(), service.as_ref()),
        service,
        host,
        links: fields.links(&[
            ("alert", &["context.alertDetailsUrl", "kibana.alert.url"]),
            ("view", &["context.viewInAppUrl", "context.link", "context.resultsLink"]),
            ("rule", &["rule.url"]),
        ]),
        started_at: fields.time(&["kibana.alert.start", "alert.start"]),
        ended_at: fields
            .time(&["kibana.alert.end", "alert.end"])
            .or(observed_at)
            .filter(|_| status == SignalStatus::Resolved),
        observed_at,
        measurements: measurements(&fields),
        raw: raw.to_raw(),
        ..Signal::default()
    })
}

/// The alert's own word; for one in a summary else the part of the summary that it is in. Security alerts also have a
/// status that people set.
fn status(fields: &Fields<'_>, part: Option<SignalStatus>) -> (SignalStatus, Option<String>) {
    let by_people = fields.first(&["kibana.alert.workflow_status"]).and_then(|word| match word.as_str() {
        "acknowledged" | "in-progress" => Some((SignalStatus::Acknowledged, Some(word))),
        "closed" => Some((SignalStatus::Resolved, Some(word))),
        _ => None,
    });
    let words = ["kibana.alert.status", "alert.actionGroup", "event_action", "status", "state"];
    let said = words.iter().filter_map(|name| fields.first(&[name]));
    let mut first = None;
    for word in said {
        // An alert that is no longer tracked, because its rule is off, never says that it is over.
        if matches!(
            word.to_ascii_lowercase().as_str(),
            "recovered" | "resolved" | "resolve" | "closed" | "untracked"
        ) {
            return (SignalStatus::Resolved, Some(word));
        }
        first = first.or(Some(word));
    }
    by_people.unwrap_or_else(|| {
        let resolved_by_part = part.filter(|_| fields.value("kibana.alert.status").is_none());
        (resolved_by_part.unwrap_or(SignalStatus::Firing), first)
    })
}

/// What the template or the rule says, else what the action group is called, where that is a severity (`Warning`).
fn severity(fields: &Fields<'_>) -> Option<(Severity, String)> {
    let names = [
        "severity",
        "kibana.alert.severity",
        "context.severity",
        "alert.actionGroupName",
        "kibana.alert.action_group",
    ];
    names.iter().find_map(|name| {
        let word = fields.first(&[name])?;
        let plain = word.rsplit('.').next().unwrap_or_default();
        Some((Severity::from_common_word(plain)?, word))
    })
}

fn labels(fields: &Fields<'_>, outer: &Fields<'_>, instance: Option<String>) -> Labels {
    let mut labels = Labels::new();
    labels.extend(instance.map(|id| ("alert".to_owned(), id)));
    for (label, names) in [
        ("rule", &["rule.name", "kibana.alert.rule.name"][..]),
        ("rule_type", &["rule.type", "kibana.alert.rule.rule_type_id"]),
        ("space", &["rule.spaceId", "spaceId", "kibana.space_ids"]),
    ] {
        let value = fields.list(names).or_else(|| outer.list(names));
        labels.extend(value.map(|value| (label.to_owned(), value)));
    }
    let tags = ["rule.tags", "tags", "kibana.alert.rule.tags"];
    let tags = fields.list(&tags).or_else(|| outer.list(&tags)).unwrap_or_default();
    let mut plain = Vec::new();
    for tag in tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
        match tag.split_once(':') {
            Some((name, value)) => drop(labels.insert(name.trim().to_owned(), value.trim().to_owned())),
            None => plain.push(tag),
        }
    }
    if !plain.is_empty() {
        labels.insert("tags".to_owned(), plain.join(", "));
    }
    labels
}

fn annotations(fields: &Fields<'_>) -> Labels {
    [
        ("rule_id", &["rule.id", "kibana.alert.rule.uuid"][..]),
        ("action_group", &["alert.actionGroupName", "kibana.alert.action_group"]),
        ("flapping", &["alert.flapping", "kibana.alert.flapping"]),
        ("consecutive_matches", &["alert.consecutiveMatches", "kibana.alert.consecutive_matches"]),
    ]
    .into_iter()
    .filter_map(|(name, names)| Some((name.to_owned(), fields.first(names)?)))
    .collect()
}

fn entity(host: Option<&String>, service: Option<&String>) -> Option<Entity> {
    let of = |kind: &str, name: &String| Entity { kind: kind.into(), name: name.clone(), path: None };
    host.map(|name| of("host", name)).or_else(|| service.map(|name| of("service", name)))
}

fn measurements(fields: &Fields<'_>) -> Vec<Measurement> {
    let value = fields.list(&["kibana.alert.evaluation.value", "context.value"]);
    let threshold = fields.list(&["kibana.alert.evaluation.threshold", "context.threshold"]);
    if value.is_none() {
        return Vec::new();
    }
    let metric = fields.list(&["context.metric"]).unwrap_or_else(|| "value".into());
    vec![Measurement { metric, value, threshold, ..Measurement::default() }]
}
