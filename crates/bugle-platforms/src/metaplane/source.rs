//! Metaplane as a source.
//!
//! A Metaplane incident is an incident here, and each monitor that it affects an alert: monitors resolve one by one, each at
//! its own time, and belong together by the incident's id. An incident that names no monitor is an alert by itself.

use std::borrow::Cow;

use bugle_model::{
    Severity, Signal, SignalStatus, Timestamp,
    signal::{Entity, Labels, Link, Measurement, Raw},
};
use serde_json::{Map, Value};

use super::{SLUG, TITLE, labels, sample};
use crate::{
    credentials,
    json::{self, Value as Exact},
    scheme::{Algorithm, Encoding, Hmac, Scheme},
    source::{DecodeError, Decoded, Inbound, Sample, SamplePhase, SenderRetry, Setting, Source},
};

/// Metaplane as a source.
#[derive(Debug, Clone, Copy)]
pub struct Metaplane;

/// The setting that names the header of the signature, which Metaplane does not publish.
const SIGNATURE_HEADER: Setting = Setting {
    name: "signature_header",
    choices: &[],
    doc: "The header in which Metaplane signs, where its signing is on: HMAC-SHA256 of the body, hexadecimal or base64, alone \
          or after `sha256=`. When it is set, nothing else proves a call.",
};

impl Source for Metaplane {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn authentication(&self) -> &'static str {
        "A secret in the URL (`?token=`), in a custom header (`X-Bugle-Token`), or as Bearer or Basic authorization; or \
         HMAC-SHA256 of the body in the header that the setting `signature_header` names."
    }

    fn schemes(&self, settings: &Map<String, Value>) -> Vec<Scheme> {
        match settings.get(SIGNATURE_HEADER.name).and_then(Value::as_str) {
            Some(header) => signatures(header.trim()),
            None => credentials::unsigned(settings),
        }
    }

    /// Nothing is documented beside that calls may come more than once.
    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::ServerErrorsOnly
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            SIGNATURE_HEADER,
            credentials::TOKEN_HEADER_SETTING,
            labels::ACKNOWLEDGED_SETTING,
            labels::SEVERITY_SETTING,
        ]
    }

    fn check_settings(&self, settings: &Map<String, Value>) -> Result<(), String> {
        credentials::check_token_header(settings)?;
        credentials::check_header(settings, &SIGNATURE_HEADER, "X-Metaplane-Signature")?;
        labels::check(settings)
    }

    fn decode(&self, inbound: &Inbound<'_>, settings: &Map<String, Value>) -> Result<Decoded, DecodeError> {
        let document = &json::parse(inbound.body)?;
        let incident = Incident::read(document, settings).ok_or_else(|| {
            DecodeError::NotUnderstood(
                "the body has no `id` of an incident: add this address as a webhook alert destination in Metaplane".into(),
            )
        })?;
        let monitors = document["affectedMonitors"].items();
        let mut decoded = Decoded::signals(if monitors.is_empty() {
            vec![incident.signal()]
        } else {
            monitors.iter().map(|affected| incident.signal_of(affected)).collect()
        });
        if incident.status == SignalStatus::Updated {
            let word = incident.status_text.as_deref().unwrap_or("none");
            decoded.remark = Some(format!(
                "the status `{}` is neither `opened` nor `resolved`: the alerts stay as they were",
                word.chars().take(64).collect::<String>()
            ));
        }
        // Calls with the same one are identical, so it is all that tells a redelivery.
        Ok(decoded.delivered_as(document.text_at("idempotencyId")))
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
        sample::sample(phase, key, at)
    }
}

/// Hexadecimal or base64, alone or after `sha256=`, as neither is published.
fn signatures(header: &str) -> Vec<Scheme> {
    let signed = |encoding, prefix| {
        let scheme = Hmac::new(Algorithm::Sha256, encoding, "", prefix);
        Scheme::Hmac(scheme.in_header(Cow::Owned(header.to_owned())))
    };
    vec![
        signed(Encoding::Hex, ""),
        signed(Encoding::Base64, ""),
        signed(Encoding::Hex, "sha256="),
        signed(Encoding::Base64, "sha256="),
    ]
}

/// What a call says of the incident as a whole.
struct Incident<'a> {
    document: &'a Exact<'a>,
    id: String,
    status: SignalStatus,
    status_text: Option<String>,
    severity: Option<(Severity, String)>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    labels: Vec<String>,
}

impl<'a> Incident<'a> {
    /// `None` without an id. The deprecated `acknowledged` changes nothing: labels took its place.
    fn read(document: &'a Exact<'a>, settings: &Map<String, Value>) -> Option<Self> {
        let id = document.text_at("id")?;
        let labels: Vec<String> =
            document["labels"].items().iter().filter_map(|label| label.text_at("name")).collect();
        let status_text = document.text_at("status");
        let status = match status_text.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("opened" | "open") if labels::acknowledge(&labels, settings) => SignalStatus::Acknowledged,
            Some("opened" | "open") => SignalStatus::Firing,
            Some("resolved") => SignalStatus::Resolved,
            _ => SignalStatus::Updated,
        };
        Some(Self {
            document,
            id,
            status,
            status_text,
            severity: labels::severity(&labels, settings),
            created_at: time(document, "createdAt"),
            updated_at: time(document, "updatedAt"),
            labels,
        })
    }

    /// The incident itself, where it names no monitor.
    fn signal(&self) -> Signal {
        let over = self.status == SignalStatus::Resolved;
        let (severity, severity_text) = self.severity.clone().unzip();
        let mut annotations = Labels::new();
        if !self.labels.is_empty() {
            annotations.insert("labels".into(), self.labels.join(", "));
        }
        let page = self.document.text_at("incidentUrl");
        Signal {
            fingerprint: self.id.clone(),
            status: self.status,
            status_text: self.status_text.clone(),
            severity,
            severity_text,
            title: format!("Metaplane incident {}", self.id),
            annotations,
            links: page.map(|url| Link { label: "incident".into(), url }).into_iter().collect(),
            started_at: self.created_at,
            ended_at: self.updated_at.filter(|_| over),
            observed_at: self.updated_at,
            grouping_key: Some(self.id.clone()),
            raw: self.document.to_raw(),
            ..Signal::default()
        }
    }

    /// A monitor that the incident affects.
    fn signal_of(&self, affected: &Exact) -> Signal {
        let monitor = &affected["monitor"];
        let group = group(&affected["group"]);
        let resolved_at = time(affected, "resolvedAt");
        let whole = self.signal();
        let status = if resolved_at.is_some() { SignalStatus::Resolved } else { self.status };
        let over = status == SignalStatus::Resolved;
        Signal {
            fingerprint: format!("{}/{}", self.id, key(affected, &group)),
            status,
            title: title(monitor, &group).unwrap_or(whole.title),
            labels: monitor_labels(monitor, &group),
            annotations: annotations(whole.annotations, affected),
            entity: entity(monitor),
            started_at: time(affected, "linkedAt").or(self.created_at),
            ended_at: resolved_at.or(self.updated_at).filter(|_| over),
            measurements: measurement(monitor, group).into_iter().collect(),
            raw: self.with_only(affected),
            ..whole
        }
    }

    /// The call as it would be if it affected this monitor alone.
    fn with_only(&self, affected: &Exact) -> Option<Raw> {
        let members = self.document.pairs().iter().map(|(name, value)| {
            let alone = || Exact::Array(vec![affected.clone()]);
            (name.clone(), if &**name == "affectedMonitors" { alone() } else { value.clone() })
        });
        Exact::Object(members.collect()).to_raw()
    }
}

fn time(value: &Exact, name: &str) -> Option<Timestamp> {
    json::rfc3339_or_epoch(value.get(name)?)
}

/// Names the monitor within its incident: the link's id, else the monitor's with its group.
fn key(affected: &Exact, group: &Labels) -> String {
    affected.text_at("id").unwrap_or_else(|| {
        let monitor = affected.text_at("monitor.id").unwrap_or_default();
        if group.is_empty() { monitor } else { format!("{monitor}({})", shown(group)) }
    })
}

fn shown(group: &Labels) -> String {
    group.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

fn group(pairs: &Exact) -> Labels {
    let pair = |pair: &Exact| Some((pair.text_at("name")?, pair.text_at("value").unwrap_or_default()));
    pairs.items().iter().filter_map(pair).collect()
}

fn title(monitor: &Exact, group: &Labels) -> Option<String> {
    let (name, path) = (monitor.text_at("name"), monitor.text_at("absolutePath"));
    let title = match (name, path) {
        (Some(name), Some(path)) => format!("{name}: {path}"),
        (name, path) => name.or(path)?,
    };
    Some(if group.is_empty() { title } else { format!("{title} ({})", shown(group)) })
}

fn monitor_labels(monitor: &Exact, group: &Labels) -> Labels {
    let mut labels = group.clone();
    for (label, field) in [
        ("monitor_id", "id"),
        ("monitor_type", "type"),
        ("monitor", "name"),
        ("entity_type", "entityType"),
        ("path", "absolutePath"),
    ] {
        labels.extend(monitor.text_at(field).map(|value| (label.to_owned(), value)));
    }
    labels
}

fn annotations(mut annotations: Labels, affected: &Exact) -> Labels {
    let connections: Vec<String> = affected["connections"].items().iter().filter_map(connection).collect();
    if !connections.is_empty() {
        annotations.insert("connections".into(), connections.join(", "));
    }
    annotations
}

/// `warehouse (SNOWFLAKE)`; a connection need not have a name.
fn connection(connection: &Exact) -> Option<String> {
    let name = connection.text_at("name").or_else(|| connection.text_at("id"));
    match (name, connection.text_at("type")) {
        (Some(name), Some(kind)) => Some(format!("{name} ({kind})")),
        (name, kind) => name.or(kind),
    }
}

fn entity(monitor: &Exact) -> Option<Entity> {
    let path = monitor.text_at("absolutePath");
    let name = path.as_deref().and_then(|path| path.rsplit('.').next()).map(str::to_owned);
    Some(Entity {
        kind: monitor.text_at("entityType").unwrap_or_else(|| "entity".into()),
        name: name.or_else(|| monitor.text_at("name"))?,
        path,
    })
}

/// Metaplane tells no numbers, but which group of rows the monitor measured.
fn measurement(monitor: &Exact, group: Labels) -> Option<Measurement> {
    let metric = monitor.text_at("type").unwrap_or_default();
    (!group.is_empty()).then(|| Measurement { metric, group, ..Measurement::default() })
}
