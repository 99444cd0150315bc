//! What Bugle makes of Anomify's posts.
//!
//! Every order of arrival, and every subset that holds the final post, ends in the same resolved incident. Two things make
//! it so. No post says when it was made, so each is placed after the beginning, or after the end, by its rank. And the
//! final post, which holds all that was said before, is read as two signals, the beginning and the end: alone it is enough.

use std::time::Duration;

use bugle_model::{
    Signal, SignalStatus, Timestamp,
    signal::{Correlation, Entity, Labels, Measurement, Related},
};
use serde_json::{Map, Value as Setup};

use super::{Anomify, sample, wire};
use crate::{
    credentials,
    json::{self, Value, rfc3339_or_epoch},
    scheme::Scheme,
    source::{DecodeError, Decoded, Inbound, Sample, SamplePhase, SenderRetry, Setting, Source},
};

impl Source for Anomify {
    fn slug(&self) -> &'static str {
        "anomify"
    }

    fn title(&self) -> &'static str {
        "Anomify"
    }

    fn authentication(&self) -> &'static str {
        "The integration's secret, given to Anomify as the API key that it sends as `x-api-key`. Also: Basic or Bearer \
         authorization, the secret in a custom header (`X-Bugle-Token`), or `?token=`. Anomify signs nothing."
    }

    fn schemes(&self, settings: &Map<String, Setup>) -> Vec<Scheme> {
        let mut schemes = vec![Scheme::header(wire::API_KEY_HEADER)];
        schemes.extend(credentials::unsigned(settings));
        schemes
    }

    /// Not documented. A sender that retries at all does so on 5xx.
    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::ServerErrorsOnly
    }

    fn settings(&self) -> &'static [Setting] {
        &[credentials::TOKEN_HEADER_SETTING]
    }

    fn check_settings(&self, settings: &Map<String, Setup>) -> Result<(), String> {
        credentials::check_token_header(settings)
    }

    fn decode(&self, inbound: &Inbound<'_>, _: &Map<String, Setup>) -> Result<Decoded, DecodeError> {
        decode(&json::parse(inbound.body)?)
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
        sample::sample(phase, key, at)
    }
}

fn decode(document: &Value) -> Result<Decoded, DecodeError> {
    let Some(anomaly) = document.at("data.anomaly").filter(|anomaly| anomaly.is_object()) else {
        return Err(DecodeError::NotUnderstood(
            "the body has no object `data.anomaly`: use Anomify's webhook as it is, or a `custom` integration with a \
             mapping for a body of your own"
                .into(),
        ));
    };
    let Some(id) = anomaly.text_at("id") else {
        return Err(DecodeError::NotUnderstood(
            "the anomaly has no `id`, which is what its posts share".into(),
        ));
    };
    let began = rfc3339_or_epoch(&anomaly["timestamp"]);
    let initial = Signal { raw: document.to_raw(), ..beginning(anomaly, id, began) };
    let correlated = Signal {
        correlations: correlations(&anomaly[wire::CORRELATIONS]),
        related: related(anomaly),
        ..initial.clone()
    };
    // The end of a series of samples cannot be before its first; a post that says so is believed as to being over.
    let signals = match rfc3339_or_epoch(&anomaly["end_timestamp"]).map(|end| end.max(began.unwrap_or(end))) {
        Some(end) => vec![
            Signal { observed_at: Some(Rank::FinalBeginning.after(end)), ..initial },
            Signal {
                status: SignalStatus::Resolved,
                ended_at: Some(end),
                observed_at: Some(Rank::FinalEnd.after(end)),
                ..correlated
            },
        ],
        None if has_correlations(anomaly) => vec![Signal {
            status: SignalStatus::Updated,
            observed_at: Some(Rank::Correlated.after(began.unwrap_or_default())),
            ..correlated
        }],
        None => vec![Signal { observed_at: Some(Rank::Initial.after(began.unwrap_or_default())), ..initial }],
    };
    Ok(Decoded::signals(signals))
}

/// The order of what Anomify says about one anomaly.
#[derive(Clone, Copy)]
enum Rank {
    Initial,
    Correlated,
    FinalBeginning,
    FinalEnd,
}

impl Rank {
    /// A time of observation for something of which only the order is known: as many milliseconds after `moment`, which is
    /// in whole seconds. So a late initial post is stale even when the anomaly ended in the second in which it began.
    fn after(self, moment: Timestamp) -> Timestamp {
        moment.plus(Duration::from_millis(self as u64))
    }
}

/// What the initial post says.
fn beginning(anomaly: &Value, id: String, began: Option<Timestamp>) -> Signal {
    let metric = anomaly.text_at("metric");
    let score = anomaly.text_at("anomalyScore");
    let host = metric.as_deref().and_then(host);
    Signal {
        severity: score.as_deref().and_then(wire::severity),
        severity_text: score,
        title: match &metric {
            Some(metric) => format!("Anomaly in {metric}"),
            None => format!("Anomaly {id}"),
        },
        fingerprint: id,
        labels: metric.iter().map(|metric| (wire::METRIC_LABEL.to_owned(), metric.clone())).collect(),
        entity: host.as_ref().map(|host| Entity {
            kind: "host".into(),
            name: host.clone(),
            path: metric.clone(),
        }),
        host,
        started_at: began,
        measurements: metric
            .map(|metric| Measurement { metric, value: anomaly.text_at("value"), ..Measurement::default() })
            .into_iter()
            .collect(),
        ..Signal::default()
    }
}

/// The first label of a dotted name, which is where metrics say what they were measured on.
fn host(metric: &str) -> Option<String> {
    let (host, _) = metric.split_once('.')?;
    (!host.is_empty()).then(|| host.to_owned())
}

/// Whether the analysis is complete, even if it found nothing.
fn has_correlations(anomaly: &Value) -> bool {
    [wire::CORRELATIONS, wire::RELATED_ANOMALIES, wire::RELATED_MATCHES]
        .into_iter()
        .any(|name| anomaly[name].is_object())
}

fn correlations(told: &Value) -> Vec<Correlation> {
    let number = |numbers: &Value, name| numbers.text_at(name).unwrap_or_default();
    told.pairs()
        .iter()
        .map(|(metric, numbers)| Correlation {
            metric: metric.to_string(),
            coefficient: number(numbers, "coefficient"),
            shifted: number(numbers, "shifted"),
            shifted_coefficient: number(numbers, "shifted_coefficient"),
        })
        .collect()
}

fn related(anomaly: &Value) -> Vec<Related> {
    [(wire::RELATED_ANOMALIES, wire::ANOMALY), (wire::RELATED_MATCHES, wire::MATCH)]
        .into_iter()
        .flat_map(|(name, kind)| anomaly[name].pairs().iter().map(move |(id, told)| (kind, id, told)))
        .map(|(kind, id, told)| Related {
            id: id.to_string(),
            kind: kind.into(),
            metric: told.text_at("metric"),
            timestamp: rfc3339_or_epoch(&told["timestamp"]),
            details: details(told),
        })
        .collect()
}

/// What else is said, such as `fp id` and `layer id`, as text.
fn details(told: &Value) -> Labels {
    let others = told
        .pairs()
        .iter()
        .filter(|(name, value)| !matches!(&**name, "metric" | "timestamp") && !value.is_null());
    others
        .map(|(name, value)| {
            let text = value.text().map_or_else(|| value.to_string(), str::to_owned);
            (name.to_string(), text)
        })
        .collect()
}
