//! SigNoz, which sends Alertmanager's document with labels and annotations of its own.
//!
//! What is shared is in `alertmanager`; the rest follows the rule manager and the webhook notifier of
//! <https://github.com/SigNoz/signoz>.

use std::time::Duration;

use bugle_model::{Severity, Signal, Timestamp, signal::Measurement};
use serde_json::{Map, Value, json};

use crate::{
    alertmanager::{self, SampleAlert, Sender, first, link},
    credentials::{self, TOKEN_HEADER_SETTING},
    invented, json as exact,
    scheme::{Hmac, Scheme},
    source::{DecodeError, Decoded, Inbound, Names, Sample, SamplePhase, SenderRetry, Setting, Source},
};

/// SigNoz.
#[derive(Debug, Clone, Copy)]
pub struct SigNoz;

const SENDER: Sender = Sender {
    name: "SigNoz",
    generator: "alert",
    home: "signoz",
    advice: "Use a notification channel of the type Webhook, or a `custom` integration with a mapping for a body of your own.",
};

/// What SigNoz puts before the name of a rule whose data stopped.
const NO_DATA: &str = "[No data] ";

impl Source for SigNoz {
    fn slug(&self) -> &'static str {
        "signoz"
    }

    fn title(&self) -> &'static str {
        "SigNoz"
    }

    fn authentication(&self) -> &'static str {
        "The channel's user name and password (Basic), its password alone (Bearer), or `?token=` in the URL. SigNoz signs \
         nothing; a proxy may add X-SigNoz-Signature: sha256=<HMAC-SHA256 of the body>."
    }

    fn schemes(&self, settings: &Map<String, Value>) -> Vec<Scheme> {
        let mut schemes = credentials::unsigned(settings);
        schemes.push(Scheme::Hmac(Hmac::sha256_hex("x-signoz-signature", "sha256=")));
        schemes
    }

    /// Its notifier is Alertmanager's.
    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::ServerErrorsOnly
    }

    fn settings(&self) -> &'static [Setting] {
        &[TOKEN_HEADER_SETTING]
    }

    fn check_settings(&self, settings: &Map<String, Value>) -> Result<(), String> {
        credentials::check_token_header(settings)
    }

    fn decode(&self, inbound: &Inbound<'_>, _: &Map<String, Value>) -> Result<Decoded, DecodeError> {
        alertmanager::decode(&exact::parse(inbound.body)?, &SENDER, finish)
    }

    fn names(&self, inbound: &Inbound<'_>, _: &Map<String, Value>) -> Option<Names> {
        alertmanager::names(&exact::parse(inbound.body).ok()?)
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
        let (value, started_at, ended_at) = match phase {
            SamplePhase::Firing => ("6.3", at, None),
            SamplePhase::Update => ("11.8", at.minus(Duration::from_mins(10)), None),
            SamplePhase::Resolved => ("0.4", at.minus(Duration::from_mins(20)), Some(at)),
        };
        let rule = invented::uuid("signoz rule", key);
        let page = format!("https://signoz.example.com/alerts/overview?ruleId={rule}");
        let edit = format!("https://signoz.example.com/alerts/edit?ruleId={rule}");
        let host = format!("{}.example.com", invented::host(key));
        let description = format!("{value} % of the requests fail (threshold 5 %)");
        let alert = SampleAlert {
            labels: &[
                ("alertname", "Error rate of the gateway"),
                ("host.name", &host),
                ("ruleId", &rule),
                ("ruleSource", &edit),
                ("service.name", "gateway"),
                ("severity", "error"),
                ("threshold.name", "error"),
            ],
            annotations: &[
                ("_title_template", "Error rate of the {{$service.name}}"),
                ("compare_op", "above"),
                ("description", &description),
                ("match_type", "on_average"),
                ("related_traces", "https://signoz.example.com/traces-explorer?compositeQuery=%7B%7D"),
                ("threshold.value", "5"),
                ("value", value),
            ],
            started_at,
            ended_at,
            generator_url: &page,
        };
        let mut group = alert.group("bugle", &alert.document());
        for (name, value) in [
            ("externalURL", json!("https://signoz.example.com")),
            ("version", json!("4")),
            ("groupKey", json!(format!("{{__receiver__=\"bugle\"}}:{{ruleId=\"{rule}\"}}"))),
            ("truncatedAlerts", json!(0)),
        ] {
            group.insert(name.to_owned(), value);
        }
        let mut sample = Sample::json(&Value::Object(group));
        sample.headers.push(("user-agent".into(), "Alertmanager/".into()));
        sample
    }
}

/// The rule's name is the title, since the summary holds the value of the moment. A rule without data has a fingerprint
/// of its own; only the display drops the mark.
fn finish(_: &exact::Value, signal: &mut Signal) {
    signal.annotations.retain(|name, _| !matches!(name.as_str(), "_title_template" | "_body_template"));
    if let Some(name) = first(&signal.labels, &["alertname"]) {
        let summary = first(&signal.annotations, &["summary"]);
        signal.description = signal.description.take().or(summary);
        signal.title = match name.strip_prefix(NO_DATA) {
            Some(rule) => format!("{rule} (no data)"),
            None => name,
        };
    }
    if signal.severity_text.is_none() {
        signal.severity_text = first(&signal.labels, &["threshold.name"]);
        signal.severity = signal.severity_text.as_deref().and_then(Severity::from_common_word);
    }
    let pages = [
        ("logs", first(&signal.annotations, &["related_logs"])),
        ("traces", first(&signal.annotations, &["related_traces"])),
        ("rule", first(&signal.labels, &["ruleSource"])),
    ];
    signal.links.extend(pages.into_iter().filter_map(|(label, url)| link(label, url?)));
    signal.measurements = measurement(signal).into_iter().collect();
}

/// What was measured; none where the data stopped, because SigNoz then repeats the last value.
fn measurement(signal: &Signal) -> Option<Measurement> {
    if signal.labels.get("nodata").is_some_and(|value| value == "true") {
        return None;
    }
    Some(Measurement {
        metric: first(&signal.labels, &["alertname"])?,
        value: Some(first(&signal.annotations, &["value"])?),
        operator: first(&signal.annotations, &["compare_op"]),
        threshold: first(&signal.annotations, &["threshold.value"]),
        ..Measurement::default()
    })
}
