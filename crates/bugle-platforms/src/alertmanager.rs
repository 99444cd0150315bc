//! The document that Alertmanager, Grafana and SigNoz all send: a group of alerts, firing and resolved mixed.
//!
//! What only one of them does is in its own room. The format is described at
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>, and its fields and their order in
//! `notify/webhook/webhook.go` and `template/template.go` of <https://github.com/prometheus/alertmanager>.

use bugle_model::{
    Severity, Signal, SignalStatus, Timestamp,
    signal::{Labels, Link},
};
use serde_json::{Map, json};

use crate::{
    json::{self, Value},
    source::{DecodeError, Decoded, Names},
};

/// What differs between the senders of the document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender {
    /// Its name in messages.
    pub(crate) name: &'static str,
    /// What its `generatorURL` shows.
    pub(crate) generator: &'static str,
    /// What its `externalURL` shows.
    pub(crate) home: &'static str,
    /// What to do about a body that is something else, as a sentence.
    pub(crate) advice: &'static str,
}

/// Reads a group. `finish` adds to each signal what only this sender says.
///
/// The group's own `status` is never used for an alert that has one: a group fires as long as one of its alerts does. An
/// alert that is absent says nothing: it may have been cut off, or be told of in another call.
pub(crate) fn decode(
    document: &Value,
    sender: &Sender,
    finish: impl Fn(&Value, &mut Signal),
) -> Result<Decoded, DecodeError> {
    let alerts = match document.get("alerts") {
        Some(Value::Array(alerts)) => alerts.as_slice(),
        Some(Value::Null) if document.get("groupKey").is_some() => &[],
        _ => {
            let name = sender.name;
            return Err(DecodeError::NotUnderstood(format!(
                "the body is not the document of {name}: it has no list `alerts`. {}",
                sender.advice
            )));
        }
    };
    if alerts.is_empty() {
        return Ok(Decoded::ignored("the group holds no alerts"));
    }
    let mut signals = Vec::with_capacity(alerts.len());
    let mut remarks = Vec::new();
    for (position, alert) in alerts.iter().enumerate() {
        match signal(alert, document, sender) {
            Some(mut read) => {
                finish(alert, &mut read);
                signals.push(read);
            }
            None => remarks.push(format!(
                "alert {position} of the group was left out: it has neither a fingerprint nor labels"
            )),
        }
    }
    if signals.is_empty() {
        return Err(DecodeError::NotUnderstood(remarks.join("; ")));
    }
    remarks.truncate(8);
    remarks.extend(truncated(document, sender));
    let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
    Ok(Decoded { remark, ..Decoded::signals(signals) })
}

/// What a group is called that [`decode`] reads.
pub(crate) fn names(document: &Value) -> Option<Names> {
    let first = document.get("alerts")?.items().iter().find_map(name);
    first.map(|alert_id| Names { alert_id: Some(alert_id), delivery_id: None })
}

/// What was cut off the group says neither that those alerts fire nor that they are over.
fn truncated(document: &Value, sender: &Sender) -> Option<String> {
    let count = document.text_at("truncatedAlerts").filter(|count| count != "0")?;
    Some(format!(
        "{} cut {count} more alerts off this group, of which nothing is known: raise its limit on alerts in one call",
        sender.name
    ))
}

/// Its fingerprint; none when it has neither one nor labels.
fn name(alert: &Value) -> Option<String> {
    alert.text_at("fingerprint").or_else(|| {
        let labels = texts(alert.get("labels"));
        (!labels.is_empty()).then(|| fingerprint(&labels))
    })
}

fn signal(alert: &Value, document: &Value, sender: &Sender) -> Option<Signal> {
    let fingerprint = name(alert)?;
    let labels = texts(alert.get("labels"));
    let mut annotations = texts(alert.get("annotations"));
    let status_text = alert.text_at("status").or_else(|| document.text_at("status"));
    let is_resolved = status_text.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("resolved"));
    let severity_text = first(&labels, &["severity", "priority"]);
    let title = first(&annotations, &["summary"]).or_else(|| first(&labels, &["alertname"]));
    let links = links(alert, document, &annotations, sender);
    for (name, value) in [
        ("receiver", document.text_at("receiver").map(|receiver| unquoted(&receiver))),
        ("notification_reason", document.text_at("notification_reason")),
    ] {
        if let Some(value) = value {
            annotations.entry(name.to_owned()).or_insert(value);
        }
    }
    Some(Signal {
        title: title.unwrap_or_else(|| format!("Alert {fingerprint}")),
        fingerprint,
        status: if is_resolved { SignalStatus::Resolved } else { SignalStatus::Firing },
        status_text,
        severity: severity_text.as_deref().and_then(Severity::from_common_word),
        severity_text,
        description: first(&annotations, &["description", "message"]),
        service: first(&labels, &["service", "service.name", "service_name", "app", "application", "job"]),
        host: first(&labels, &["instance", "host", "host.name", "hostname", "node"]),
        started_at: moment(alert, "startsAt"),
        ended_at: moment(alert, "endsAt").filter(|_| is_resolved),
        grouping_key: document.text_at("groupKey"),
        links,
        labels,
        annotations,
        raw: alert.to_raw(),
        ..Signal::default()
    })
}

/// A firing alert's `endsAt` is the year 1, which is no moment.
fn moment(alert: &Value, name: &str) -> Option<Timestamp> {
    json::rfc3339_or_epoch(alert.get(name)?)
}

fn links(alert: &Value, document: &Value, annotations: &Labels, sender: &Sender) -> Vec<Link> {
    let found = [
        (sender.generator, alert.text_at("generatorURL")),
        ("runbook", first(annotations, &["runbook_url", "runbook"])),
        ("dashboard", first(annotations, &["dashboard_url", "dashboard"])),
        (sender.home, document.text_at("externalURL")),
    ];
    found.into_iter().filter_map(|(label, url)| link(label, url?)).collect()
}

/// A link, when the text is an address that a browser may open.
pub(crate) fn link(label: &str, url: String) -> Option<Link> {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    is_web.then(|| Link { label: label.to_owned(), url })
}

/// The first of `names` that has a value.
pub(crate) fn first(texts: &Labels, names: &[&str]) -> Option<String> {
    names
        .iter()
        .find_map(|name| texts.get(*name).map(|text| text.trim()).filter(|text| !text.is_empty()))
        .map(str::to_owned)
}

/// An object of texts. What is no text, which only a customised template sends, is kept as JSON text.
pub(crate) fn texts(object: Option<&Value>) -> Labels {
    let members = object.map(Value::pairs).unwrap_or_default();
    let text = |value: &Value| value.text().map_or_else(|| value.to_string(), str::to_owned);
    members
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

/// The receiver's name as it was configured. On the wire it is quoted for regular expressions, as Go's
/// `regexp.QuoteMeta` does: `web.hook` arrives as `web\.hook`.
fn unquoted(receiver: &str) -> String {
    let mut name = String::with_capacity(receiver.len());
    let mut characters = receiver.chars().peekable();
    while let Some(character) = characters.next() {
        let quotes = character == '\\' && characters.peek().is_some_and(char::is_ascii_punctuation);
        name.push(if quotes { characters.next().unwrap_or(character) } else { character });
    }
    name
}

/// What Prometheus itself computes from labels, for senders that leave it out: FNV-1a over each name and value in the
/// order of names, each followed by a byte that no UTF-8 text holds.
/// <https://github.com/prometheus/common/blob/main/model/signature.go>
pub(crate) fn fingerprint(labels: &Labels) -> String {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    const SEPARATOR: [u8; 1] = [0xff];
    let bytes = labels
        .iter()
        .flat_map(|(name, value)| name.bytes().chain(SEPARATOR).chain(value.bytes()).chain(SEPARATOR));
    let hash = bytes.fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

/// One alert for a sample.
#[derive(Debug, Clone)]
pub(crate) struct SampleAlert<'a> {
    /// What identifies it.
    pub(crate) labels: &'a [(&'a str, &'a str)],
    /// What explains it.
    pub(crate) annotations: &'a [(&'a str, &'a str)],
    /// When it began.
    pub(crate) started_at: Timestamp,
    /// When it ended.
    pub(crate) ended_at: Option<Timestamp>,
    /// The page of its rule.
    pub(crate) generator_url: &'a str,
}

impl SampleAlert<'_> {
    /// The alert as it stands in the document.
    pub(crate) fn document(&self) -> Map<String, serde_json::Value> {
        let labels = owned(self.labels);
        let members = [
            ("status", self.status().into()),
            ("labels", json!(labels)),
            ("annotations", json!(owned(self.annotations))),
            ("startsAt", self.started_at.to_string().into()),
            ("endsAt", self.ended_at.map_or("0001-01-01T00:00:00Z".to_owned(), |end| end.to_string()).into()),
            ("generatorURL", self.generator_url.into()),
            ("fingerprint", fingerprint(&labels).into()),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A group of only this alert, grouped by its name, without what stands at the document's end.
    pub(crate) fn group(
        &self,
        receiver: &str,
        alert: &Map<String, serde_json::Value>,
    ) -> Map<String, serde_json::Value> {
        let members = [
            ("receiver", receiver.into()),
            ("status", self.status().into()),
            ("alerts", json!([alert])),
            ("groupLabels", json!({ "alertname": self.name() })),
            ("commonLabels", json!(owned(self.labels))),
            ("commonAnnotations", json!(owned(self.annotations))),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// `firing` or `resolved`.
    pub(crate) fn status(&self) -> &'static str {
        if self.ended_at.is_some() { "resolved" } else { "firing" }
    }

    /// Its label `alertname`.
    pub(crate) fn name(&self) -> &str {
        self.labels.iter().find(|(name, _)| *name == "alertname").map_or("", |(_, value)| value)
    }
}

fn owned(texts: &[(&str, &str)]) -> Labels {
    texts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_read_as_they_were_configured() {
        for (wire, name) in [
            (r"web\.hook", "web.hook"),
            (r"team\-a \(prod\)", "team-a (prod)"),
            (r"a\\b", r"a\b"),
            ("plain", "plain"),
            (r"ends\", r"ends\"),
            (r"not\quoted", r"not\quoted"),
        ] {
            assert_eq!(unquoted(wire), name, "{wire}");
        }
    }

    #[test]
    fn fingerprints_are_those_of_prometheus() {
        assert_eq!(fingerprint(&Labels::new()), "cbf29ce484222325");
        let labels = owned(&[("alertname", "CertificateExpiresSoon"), ("instance", "mail.example.com:443")]);
        assert_eq!(fingerprint(&labels), "cf26fe5deb73190a");
    }
}
