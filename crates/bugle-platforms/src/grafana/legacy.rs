//! The webhook notifier of Grafana 8 and older: one call for one rule, whatever the number of its series.
//! <https://github.com/grafana/grafana/blob/v8.5.0/pkg/services/alerting/notifiers/webhook.go>

use bugle_model::{
    Severity, Signal, SignalStatus,
    signal::{Labels, Link, Measurement},
};

use crate::{
    alertmanager::{first, link, texts},
    json::Value,
    source::{DecodeError, Decoded},
};

/// Whether a document is legacy alerting's: it tells of a rule, and has no list of alerts.
pub(super) fn is_legacy(document: &Value) -> bool {
    document.get("ruleId").is_some()
        && document.get("alerts").is_none()
        && (document.get("evalMatches").is_some() || document.get("state").is_some())
}

/// Reads a call. The document holds no time, so calls count in the order in which they come.
pub(super) fn decode(document: &Value) -> Result<Decoded, DecodeError> {
    let state = document.text_at("state").unwrap_or_default();
    let status = match state.to_ascii_lowercase().as_str() {
        "alerting" | "no_data" => SignalStatus::Firing,
        "ok" => SignalStatus::Resolved,
        "paused" | "pending" | "unknown" => {
            return Ok(Decoded::ignored(format!(
                "the rule is `{state}`, which says neither that it fires nor that it is over"
            )));
        }
        _ => {
            return Err(DecodeError::NotUnderstood(format!(
                "`state` is `{}`; Grafana's legacy alerting has alerting, no_data, ok, paused, pending and unknown",
                state.chars().take(40).collect::<String>()
            )));
        }
    };
    let Some(rule) = document.text_at("ruleId") else {
        return Err(DecodeError::NotUnderstood("`ruleId` is empty, so the alert has no name".into()));
    };
    // Grafana 4 sent no organisation; its first one is 1.
    let organisation = document.text_at("orgId").unwrap_or_else(|| "1".into());
    let labels = texts(document.get("tags"));
    let severity_text = first(&labels, &["severity", "priority"]);
    let title = document.text_at("ruleName").or_else(|| document.text_at("title"));
    let no_data = if state.eq_ignore_ascii_case("no_data") { " (no data)" } else { "" };
    Ok(Decoded::signals(vec![Signal {
        fingerprint: format!("{organisation}:{rule}"),
        status,
        status_text: Some(state),
        severity: severity_text.as_deref().and_then(Severity::from_common_word),
        severity_text,
        title: title.map_or_else(|| format!("Rule {rule}"), |title| title + no_data),
        description: document.text_at("message"),
        service: first(&labels, &["service", "app", "job"]),
        host: first(&labels, &["instance", "host", "node"]),
        links: links(document),
        measurements: document
            .get("evalMatches")
            .map(Value::items)
            .unwrap_or_default()
            .iter()
            .map(measurement)
            .collect(),
        annotations: annotations(document),
        labels,
        raw: document.to_raw(),
        ..Signal::default()
    }]))
}

/// Grafana 4 wrote the names with underscores.
fn links(document: &Value) -> Vec<Link> {
    let found = [("rule", "ruleUrl"), ("rule", "rule_url"), ("image", "imageUrl"), ("image", "image_url")];
    found.into_iter().filter_map(|(label, name)| link(label, document.text_at(name)?)).collect()
}

fn annotations(document: &Value) -> Labels {
    let names = ["dashboardId", "panelId", "orgId"];
    names.into_iter().filter_map(|name| Some((name.to_owned(), document.text_at(name)?))).collect()
}

/// One series. `min()` of nothing is sent as the greatest double there is; it is kept as it was written.
fn measurement(matched: &Value) -> Measurement {
    Measurement {
        metric: matched.text_at("metric").unwrap_or_default(),
        value: matched.text_at("value"),
        group: texts(matched.get("tags")),
        ..Measurement::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_firing_resolved_ignored_or_refused() {
        for (state, expected) in [
            ("alerting", Some(SignalStatus::Firing)),
            ("no_data", Some(SignalStatus::Firing)),
            ("ok", Some(SignalStatus::Resolved)),
            ("paused", None),
            ("pending", None),
            ("unknown", None),
        ] {
            let body = format!(r#"{{"ruleId": 8, "evalMatches": null, "state": "{state}"}}"#);
            let decoded = decode(&crate::json::parse(body.as_bytes()).unwrap()).unwrap();
            assert_eq!(decoded.signals.first().map(|signal| signal.status), expected, "{state}");
            assert_eq!(decoded.ignored.is_some(), expected.is_none(), "{state}");
        }
        let odd = crate::json::parse(br#"{"ruleId": 8, "evalMatches": [], "state": "sideways"}"#).unwrap();
        assert!(decode(&odd).unwrap_err().to_string().contains("`sideways`"));
    }
}
