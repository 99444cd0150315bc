//! Grafana's webhook contact point (unified alerting), and the webhook notifier of Grafana 8 and older (`legacy`).
//!
//! The document of unified alerting is Alertmanager's with additions; the shared part is in `alertmanager`.
//! <https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/>

mod legacy;

use std::{borrow::Cow, time::Duration};

use bugle_model::{Signal, Timestamp, signal::Measurement};
use serde_json::{Map, Value, json};

use crate::{
    alertmanager::{self, SampleAlert, Sender, link},
    credentials::{self, TOKEN_HEADER_SETTING},
    invented, json as exact,
    scheme::{Hmac, Scheme, Signed},
    source::{DecodeError, Decoded, Inbound, Names, Sample, SamplePhase, SenderRetry, Setting, Source},
};

/// Grafana.
#[derive(Debug, Clone, Copy)]
pub struct Grafana;

const SENDER: Sender = Sender {
    name: "Grafana",
    generator: "rule",
    home: "grafana",
    advice: "Remove the custom payload from the contact point, or use a `custom` integration with a mapping for a body of your \
             own.",
};

const SIGNATURE_HEADER_SETTING: Setting = Setting {
    name: "signature_header",
    choices: &[],
    doc: "The header of the signature, when the contact point renames it. X-Grafana-Alerting-Signature by default.",
};

const TIMESTAMP_HEADER_SETTING: Setting = Setting {
    name: "timestamp_header",
    choices: &[],
    doc: "What the contact point has as Timestamp Header. When it is set, only a signature over timestamp and body that is at \
          most five minutes old proves a call; nothing else does.",
};

/// The constant in `http/hmac.go` of <https://github.com/grafana/alerting>; a comment there has another name.
const SIGNATURE_HEADER: &str = "x-grafana-alerting-signature";

/// How far a signed timestamp may be from now. Grafana signs anew on each attempt, and waits 30 s at most.
const TOLERANCE_SECONDS: u32 = 300;

impl Source for Grafana {
    fn slug(&self) -> &'static str {
        "grafana"
    }

    fn title(&self) -> &'static str {
        "Grafana"
    }

    fn authentication(&self) -> &'static str {
        "The contact point's HMAC signature (X-Grafana-Alerting-Signature, with or without a timestamp header), its \
         Authorization header, Basic, an extra header, or `?token=` in the URL."
    }

    fn schemes(&self, settings: &Map<String, Value>) -> Vec<Scheme> {
        let text = |setting: Setting| settings.get(setting.name).and_then(Value::as_str).map(str::trim);
        let header = text(SIGNATURE_HEADER_SETTING).unwrap_or(SIGNATURE_HEADER).to_ascii_lowercase();
        let signed = match text(TIMESTAMP_HEADER_SETTING) {
            None => Signed::Body,
            Some(name) => Signed::TimestampAndBody {
                timestamp_header: Cow::Owned(name.to_ascii_lowercase()),
                separator: ':',
                tolerance_s: TOLERANCE_SECONDS,
            },
        };
        let narrowed = signed != Signed::Body;
        let signature = |prefix| {
            Scheme::Hmac(
                Hmac::sha256_hex(SIGNATURE_HEADER, prefix).in_header(header.clone()).over(signed.clone()),
            )
        };
        let mut schemes = vec![signature(""), signature("sha256=")];
        if !narrowed {
            schemes.extend(credentials::unsigned(settings));
        }
        schemes
    }

    /// Grafana tries nothing again before its next `group_interval`; a 503 is at least logged as the receiver's trouble.
    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::ServerErrorsOnly
    }

    fn settings(&self) -> &'static [Setting] {
        &[SIGNATURE_HEADER_SETTING, TIMESTAMP_HEADER_SETTING, TOKEN_HEADER_SETTING]
    }

    fn check_settings(&self, settings: &Map<String, Value>) -> Result<(), String> {
        credentials::check_token_header(settings)?;
        credentials::check_header(settings, &SIGNATURE_HEADER_SETTING, "X-Grafana-Alerting-Signature")?;
        credentials::check_header(settings, &TIMESTAMP_HEADER_SETTING, "X-Grafana-Alerting-Timestamp")
    }

    fn decode(&self, inbound: &Inbound<'_>, _: &Map<String, Value>) -> Result<Decoded, DecodeError> {
        let document = exact::parse(inbound.body)?;
        if legacy::is_legacy(&document) {
            return legacy::decode(&document);
        }
        alertmanager::decode(&document, &SENDER, finish)
    }

    fn names(&self, inbound: &Inbound<'_>, _: &Map<String, Value>) -> Option<Names> {
        let document = exact::parse(inbound.body).ok()?;
        if legacy::is_legacy(&document) { None } else { alertmanager::names(&document) }
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
        let (latency, started_at, ended_at) = match phase {
            SamplePhase::Firing => (json!(1.87), at, None),
            SamplePhase::Update => (json!(4.02), at.minus(Duration::from_mins(10)), None),
            SamplePhase::Resolved => (json!(0.21), at.minus(Duration::from_mins(20)), Some(at)),
        };
        let host = format!("{}.example.com", invented::host(key));
        let rule = "https://grafana.example.com/alerting/grafana/cf2kd81mq0wxsa/view?orgId=1";
        let alert = SampleAlert {
            labels: &[
                ("alertname", "Search latency p95"),
                ("check", key),
                ("grafana_folder", "Storefront"),
                ("instance", &host),
                ("service", "search"),
                ("severity", "warning"),
            ],
            annotations: &[
                ("description", "The 95th percentile of search is above 1 s."),
                ("runbook_url", "https://runbooks.example.com/search-latency"),
            ],
            started_at,
            ended_at,
            generator_url: rule,
        };
        let mut document = alert.document();
        for (name, value) in [
            ("silenceURL", json!("https://grafana.example.com/alerting/silence/new?alertmanager=grafana")),
            ("dashboardURL", json!("https://grafana.example.com/d/k1m2n3?orgId=1")),
            ("panelURL", json!("https://grafana.example.com/d/k1m2n3?orgId=1&viewPanel=6")),
            ("ruleUID", json!("cf2kd81mq0wxsa")),
            ("values", json!({ "A": latency, "C": u8::from(ended_at.is_none()) })),
            ("valueString", json!(format!("[ var='A' labels={{instance={host}}} value={latency} ]"))),
            ("orgId", json!(1)),
        ] {
            document.insert(name.to_owned(), value);
        }
        let mut group = alert.group("bugle", &document);
        let state = if ended_at.is_some() { "ok" } else { "alerting" };
        for (name, value) in [
            ("externalURL", json!("https://grafana.example.com/")),
            ("version", json!("1")),
            ("groupKey", json!("{}/{__grafana_receiver__=\"bugle\"}:{alertname=\"Search latency p95\"}")),
            ("truncatedAlerts", json!(0)),
            ("orgId", json!(1)),
            ("title", json!(format!("[{}] {}", alert.status().to_uppercase(), alert.name()))),
            ("state", json!(state)),
        ] {
            group.insert(name.to_owned(), value);
        }
        let mut sample = Sample::json(&Value::Object(group));
        sample.headers.push(("user-agent".into(), "Grafana".into()));
        sample
    }
}

/// The rule's name is the title, since the summary often holds the value of the moment. When a rule has no data or
/// fails, its name moves to another label, and the fingerprint is another too.
fn finish(alert: &exact::Value, signal: &mut Signal) {
    let label = |name: &str| alertmanager::first(&signal.labels, &[name]);
    let name = label("alertname");
    let title = match (name.as_deref(), label("rulename")) {
        (Some("DatasourceNoData"), Some(rule)) => Some(format!("{rule} (no data)")),
        (Some("DatasourceError"), Some(rule)) => Some(format!("{rule} (error)")),
        _ => name,
    };
    if let Some(title) = title {
        signal.description =
            signal.description.take().or_else(|| alertmanager::first(&signal.annotations, &["summary"]));
        signal.title = title;
    }
    let pages = [
        ("dashboard", "dashboardURL"),
        ("panel", "panelURL"),
        ("silence", "silenceURL"),
        ("image", "imageURL"),
    ];
    signal.links.extend(pages.into_iter().filter_map(|(label, name)| link(label, alert.text_at(name)?)));
    signal.measurements = measurements(alert);
}

/// The values of the rule's queries and expressions, by their letters. `values` is `null` where there are none, and so is
/// a single value that is no number.
fn measurements(alert: &exact::Value) -> Vec<Measurement> {
    let values = alert.get("values").map(exact::Value::pairs).unwrap_or_default();
    let measured = |(metric, value): &exact::Member| Measurement {
        metric: metric.to_string(),
        value: value.text().map(str::to_owned),
        ..Measurement::default()
    };
    values.iter().map(measured).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_timestamp_header_voids_every_other_proof() {
        let settings = |value: Value| value.as_object().cloned().unwrap();
        let schemes = Grafana.schemes(&settings(json!({ "timestamp_header": "X-Sent-At" })));
        assert_eq!(schemes.len(), 2);
        for scheme in schemes {
            let Scheme::Hmac(hmac) = scheme else { panic!("{scheme:?}") };
            assert_eq!(
                hmac.signed,
                Signed::TimestampAndBody {
                    timestamp_header: "x-sent-at".into(),
                    separator: ':',
                    tolerance_s: 300,
                }
            );
        }
        assert!(Grafana.schemes(&Map::new()).contains(&Scheme::Basic));
        let renamed = Grafana.schemes(&settings(json!({ "signature_header": " X-Sig " })));
        assert!(matches!(renamed.first(), Some(Scheme::Hmac(hmac)) if hmac.header == "x-sig"));
    }
}
