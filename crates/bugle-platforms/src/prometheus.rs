//! Prometheus, by way of Alertmanager's webhook receiver (document version 4).
//!
//! Alertmanager signs nothing and retries only on 5xx. The document itself is in `alertmanager`.

use std::time::Duration;

use bugle_model::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    alertmanager::{self, SampleAlert, Sender},
    credentials::{self, TOKEN_HEADER_SETTING},
    invented, json as exact,
    scheme::{Hmac, Scheme},
    source::{DecodeError, Decoded, Inbound, Names, Sample, SamplePhase, SenderRetry, Setting, Source},
};

/// Prometheus Alertmanager.
#[derive(Debug, Clone, Copy)]
pub struct Prometheus;

const SENDER: Sender = Sender {
    name: "Alertmanager",
    generator: "graph",
    home: "alertmanager",
    advice: "Remove `payload:` from the receiver's `webhook_configs`, or use a `custom` integration with a mapping for a body \
             of your own.",
};

impl Source for Prometheus {
    fn slug(&self) -> &'static str {
        "prometheus"
    }

    fn title(&self) -> &'static str {
        "Prometheus Alertmanager"
    }

    fn authentication(&self) -> &'static str {
        "`basic_auth` or `authorization` of the receiver's `http_config`, a header of your choice, or `?token=` in the URL. \
         Alertmanager signs nothing; a proxy may add X-Prometheus-Signature: sha256=<HMAC-SHA256 of the body>."
    }

    fn schemes(&self, settings: &Map<String, Value>) -> Vec<Scheme> {
        let mut schemes = credentials::unsigned(settings);
        schemes.push(Scheme::Hmac(Hmac::sha256_hex("x-prometheus-signature", "sha256=")));
        schemes
    }

    /// Any other status, 429 too, is not tried again before the next `group_interval`.
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
        alertmanager::decode(&exact::parse(inbound.body)?, &SENDER, |_, _| ())
    }

    fn names(&self, inbound: &Inbound<'_>, _: &Map<String, Value>) -> Option<Names> {
        alertmanager::names(&exact::parse(inbound.body).ok()?)
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
        let (used, reason, started_at, ended_at) = match phase {
            SamplePhase::Firing => ("91.4", "first notification", at, None),
            SamplePhase::Update => {
                ("96.8", "repeat interval elapsed", at.minus(Duration::from_mins(10)), None)
            }
            SamplePhase::Resolved => {
                ("96.8", "all alerts resolved", at.minus(Duration::from_mins(20)), Some(at))
            }
        };
        let instance = format!("{}.example.com:9100", invented::host(key));
        let summary = format!("Memory of {} is {used} % used", invented::host(key));
        let alert = SampleAlert {
            labels: &[
                ("alertname", "HostMemoryLow"),
                ("check", key),
                ("instance", &instance),
                ("job", "node"),
                ("severity", "critical"),
                ("team", "platform"),
            ],
            annotations: &[
                ("description", "Less than 10 % of the memory has been available for 5 minutes."),
                ("runbook_url", "https://runbooks.example.com/host-memory-low"),
                ("summary", &summary),
            ],
            started_at,
            ended_at,
            generator_url: "https://prometheus.example.com/graph?g0.expr=node_memory_MemAvailable_bytes&g0.tab=1",
        };
        let mut group = alert.group("bugle", &alert.document());
        for (name, value) in [
            ("notification_reason", json!(reason)),
            ("externalURL", json!("https://alertmanager.example.com")),
            ("version", json!("4")),
            ("groupKey", json!("{}:{alertname=\"HostMemoryLow\"}")),
            ("truncatedAlerts", json!(0)),
        ] {
            group.insert(name.to_owned(), value);
        }
        let mut sample = Sample::json(&Value::Object(group));
        sample.headers.push(("user-agent".into(), "Alertmanager/0.34.0".into()));
        sample
    }
}
