//! Elasticsearch Watcher's webhook action and Kibana's webhook connector:
//! <https://www.elastic.co/docs/explore-analyze/alerting/watcher/actions-webhook>,
//! <https://www.elastic.co/docs/reference/kibana/connectors-kibana/webhook-action-type>.
//!
//! Both send what the author of the watch or rule wrote. Understood are the templates that `SETUP.md` recommends, Kibana's
//! alert documents, and whatever the setting `mapping` describes or gives usual names to.
//!
//! - `documents`: the JSON documents in a body, however they were put into it.
//! - `kibana`: alerts of rules, one by one or as a summary.
//! - `watcher`: executions of watches.

use bugle_model::limits::SIGNALS_PER_RECEIPT_MAX;
use serde_json::{Map, Value as SettingValue};

use crate::{
    credentials,
    json::Value,
    mapping::{MAPPING_SETTING, Mapping},
    scheme::Scheme,
    source::{DecodeError, Decoded, Inbound, Sample, SamplePhase, SenderRetry, Setting, Source},
};

mod documents;
mod kibana;
mod sample;
mod watcher;

/// Elasticsearch and Kibana as a source.
#[derive(Debug)]
pub struct Elasticsearch;

impl Source for Elasticsearch {
    fn slug(&self) -> &'static str {
        "elasticsearch"
    }

    fn title(&self) -> &'static str {
        "Elasticsearch"
    }

    fn authentication(&self) -> &'static str {
        "The secret as Basic or Bearer authorization, in a header of the action or connector (`X-Bugle-Token`, or Watcher's \
         `X-Elastic-App-Auth`), or as `?token=`; neither Watcher nor Kibana signs."
    }

    fn schemes(&self, settings: &Map<String, SettingValue>) -> Vec<Scheme> {
        let mut schemes = credentials::unsigned(settings);
        schemes.push(Scheme::header("X-Elastic-App-Auth"));
        schemes
    }

    /// Kibana tries again on 5xx, and on 429 when `Retry-After` says; Watcher never does.
    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::TooManyRequests
    }

    fn settings(&self) -> &'static [Setting] {
        &[MAPPING_SETTING, credentials::TOKEN_HEADER_SETTING]
    }

    fn check_settings(&self, settings: &Map<String, SettingValue>) -> Result<(), String> {
        credentials::check_token_header(settings)?;
        Mapping::from_settings(settings).map(drop)
    }

    fn decode(
        &self,
        inbound: &Inbound<'_>,
        settings: &Map<String, SettingValue>,
    ) -> Result<Decoded, DecodeError> {
        let mapping = Mapping::from_settings(settings).map_err(DecodeError::NotUnderstood)?;
        let is_mapped = settings.get(MAPPING_SETTING.name).is_some_and(|mapping| !mapping.is_null());
        let mut readings = Vec::new();
        for document in documents::of(inbound.body)? {
            readings.push(if is_mapped { mapping.decode(&document) } else { read(&document, &mapping) });
        }
        together(readings)
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: bugle_model::Timestamp) -> Sample {
        sample::sample(phase, key, at)
    }
}

/// Reads a document as what it looks like.
fn read(document: &Value, by_usual_names: &Mapping) -> Result<Decoded, DecodeError> {
    let opened = documents::opened(document);
    if let Some(summary) = kibana::summary(&opened) {
        return Ok(summary);
    }
    if let Some(signal) = kibana::signal(&opened, document) {
        return Ok(Decoded::signals(vec![signal]));
    }
    if let Some(decoded) = watcher::decode(&opened, document) {
        return Ok(decoded);
    }
    if documents::is_unrendered(&opened) {
        return Err(DecodeError::NotUnderstood(
            "the template's variables were not filled in: the connector's test sends them as they are written".into(),
        ));
    }
    by_usual_names.decode(&opened)
}

/// What several documents of one body say. What could not be read is told of, as long as something could.
fn together(readings: Vec<Result<Decoded, DecodeError>>) -> Result<Decoded, DecodeError> {
    let count = readings.len();
    let mut whole = Decoded::default();
    let mut remarks: Vec<String> = Vec::new();
    let mut first_error = None;
    for reading in readings {
        match reading {
            Ok(decoded) => {
                whole.signals.extend(decoded.signals);
                whole.ignored = whole.ignored.or(decoded.ignored);
                remarks.extend(decoded.remark.filter(|remark| !remarks.contains(remark)));
            }
            Err(error) if count == 1 => return Err(error),
            Err(error) => {
                first_error = first_error.or(Some(error));
            }
        }
    }
    if let Some(error) = first_error {
        if whole.signals.is_empty() {
            return Err(error);
        }
        remarks.push(format!("A part of the body was left out: {error}"));
    }
    if whole.signals.len() > SIGNALS_PER_RECEIPT_MAX {
        whole.signals.truncate(SIGNALS_PER_RECEIPT_MAX);
        remarks.push(format!(
            "The body holds more than {SIGNALS_PER_RECEIPT_MAX} alerts: the rest was left out."
        ));
    }
    whole.ignored = whole.ignored.filter(|_| whole.signals.is_empty());
    whole.remark = (!remarks.is_empty()).then(|| remarks.join(" "));
    Ok(whole)
}
