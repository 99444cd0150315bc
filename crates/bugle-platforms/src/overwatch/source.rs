//! What Bugle makes of Overwatch's outgoing webhook.
//!
//! Its body is whatever its template says. The documented names come first, then what people are likely to add; the
//! placeholders' own paths (`{"incident": {"id": ...}}`) are read as well.

use bugle_model::{
    IncidentStatus, Severity, Signal, SignalStatus, Timestamp,
    signal::{Labels, Patch},
};
use serde_json::{Map, Value as Setup};

use super::{Overwatch, SIGNATURE, SIGNATURE_HEADER_IN, sample, signature};
use crate::{
    credentials,
    fields::Fields,
    json::{self, Value},
    scheme::Scheme,
    source::{DecodeError, Decoded, Inbound, Sample, SamplePhase, SenderRetry, Setting, Source},
};

impl Source for Overwatch {
    fn slug(&self) -> &'static str {
        "overwatch"
    }

    fn title(&self) -> &'static str {
        "Overwatch"
    }

    fn authentication(&self) -> &'static str {
        "The integration's secret as `Authorization: Bearer`, which is what `Bearer {{api_token}}` in the webhook's headers \
         becomes; or `X-Overwatch-Signature: sha256=` and the body's HMAC-SHA256. Also: Basic authorization, the secret in a \
         custom header (`X-Bugle-Token`), or `?token=`."
    }

    fn schemes(&self, settings: &Map<String, Setup>) -> Vec<Scheme> {
        let mut schemes = vec![signature(settings).unwrap_or(Scheme::Hmac(SIGNATURE))];
        schemes.extend(credentials::unsigned(settings));
        schemes
    }

    /// It tries again on every answer that is not a success.
    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::TooManyRequests
    }

    fn settings(&self) -> &'static [Setting] {
        &[SIGNATURE_HEADER_IN, credentials::TOKEN_HEADER_SETTING]
    }

    fn check_settings(&self, settings: &Map<String, Setup>) -> Result<(), String> {
        credentials::check_header(settings, &SIGNATURE_HEADER_IN, "X-Overwatch-Signature")?;
        credentials::check_token_header(settings)
    }

    fn decode(&self, inbound: &Inbound<'_>, _: &Map<String, Setup>) -> Result<Decoded, DecodeError> {
        decode(&json::parse(inbound.body)?)
    }

    fn sample(&self, phase: SamplePhase, key: &str, _: Timestamp) -> Sample {
        sample::sample(phase, key)
    }
}

fn decode(document: &Value) -> Result<Decoded, DecodeError> {
    let fields = Fields::new(document, is_unrendered);
    let Some(id) = fields.first(&["incident_id", "incident.id", "id"]) else {
        return Err(DecodeError::NotUnderstood(
            "the body names no incident: keep `\"incident_id\": \"{{incident.id}}\"` in the webhook's template".into(),
        ));
    };
    let word = fields.first(&["status", "incident.status", "state"]);
    let event = fields.first(&["event", "event_type", "event.type", "type"]);
    let known = [&word, &event].into_iter().find_map(|word| status(word.as_deref()?));
    let status = known.unwrap_or(SignalStatus::Updated);
    let severity = fields.first(&["severity", "incident.severity"]);
    let seen = fields.time(&["updated_at", "timestamp", "occurred_at", "incident.updated_at"]);
    let began =
        fields.time(&["started_at", "created_at", "opened_at", "incident.started_at", "incident.created_at"]);
    let ended = fields.time(&["resolved_at", "ended_at", "closed_at", "incident.resolved_at"]).or(seen);
    let mut signal = Signal {
        fingerprint: id,
        status,
        severity: severity.as_deref().and_then(Severity::from_common_word),
        severity_text: severity,
        title: fields.first(&["title", "incident.title", "name"]).unwrap_or_default(),
        description: fields.first(&["description", "message", "incident.description"]),
        labels: labels(&fields),
        service: fields.first(&["service", "incident.service"]),
        host: fields.first(&["host", "incident.host"]),
        links: fields.links(&[("alert", &["url", "incident_url", "link", "html_url", "incident.url"])]),
        started_at: began,
        ended_at: ended.filter(|_| status == SignalStatus::Resolved).map(|end| end.max(began.unwrap_or(end))),
        observed_at: seen,
        raw: document.to_raw(),
        ..Signal::default()
    };
    signal.source.owner = owner(&fields);
    signal.source.feedback = word.as_deref().and_then(chosen).map_or(Patch::Unchanged, Patch::Set);
    let remark = known.is_none().then(|| match &word {
        Some(word) => format!("the status `{word}` is not known: whether the alert fires stays as it was"),
        None => {
            "there is no status: keep `\"status\": \"{{incident.status}}\"` in the webhook's template".into()
        }
    });
    signal.status_text = word.or(event);
    Ok(Decoded { remark, ..Decoded::signals(vec![signal]) })
}

/// A placeholder that was sent as it stands, by a test or a template with a name that Overwatch does not know.
fn is_unrendered(text: &str) -> bool {
    text.starts_with("{{") && text.ends_with("}}")
}

/// What a status, or the name of an event, says. The page lists neither; these are Bugle's words, and those that the
/// platforms before Overwatch use.
fn status(word: &str) -> Option<SignalStatus> {
    let word = word.to_ascii_lowercase().replace([' ', '-'], "_");
    Some(match word.strip_prefix("incident.").unwrap_or(&word) {
        "open" | "opened" | "new" | "active" | "triggered" | "firing" | "created" | "reopened" => {
            SignalStatus::Firing
        }
        "acknowledged" | "acked" | "investigating" | "identified" | "assigned" | "in_progress"
        | "work_in_progress" | "monitoring" => SignalStatus::Acknowledged,
        "resolved" | "closed" | "recovered" | "fixed" | "expected" | "no_action_needed"
        | "false_positive" => SignalStatus::Resolved,
        "updated" => SignalStatus::Updated,
        _ => return None,
    })
}

/// A status of a person's choice that says more than firing, acknowledged and resolved, in Bugle's words.
fn chosen(word: &str) -> Option<IncidentStatus> {
    let word = word.to_ascii_lowercase();
    let statuses = IncidentStatus::ALL.into_iter();
    statuses
        .filter(|status| status.is_resolved() || *status == IncidentStatus::WorkInProgress)
        .find(|status| status.as_str() == word)
}

fn labels(fields: &Fields<'_>) -> Labels {
    let told = fields.value("labels").or_else(|| fields.value("incident.labels"));
    let pairs = told.map(Value::pairs).unwrap_or_default();
    pairs.iter().filter_map(|(name, value)| Some((name.to_string(), value.text()?.to_owned()))).collect()
}

/// Not mentioned, said to be nobody, or somebody.
fn owner(fields: &Fields<'_>) -> Patch<String> {
    let names = ["owner", "assignee", "assigned_to", "incident.owner"];
    let document = fields.document();
    let told = names.iter().find_map(|name| document.get(name).or_else(|| document.at(name)));
    match (told, fields.first(&names)) {
        (_, Some(owner)) => Patch::Set(owner),
        (Some(Value::Null), None) => Patch::Cleared,
        _ => Patch::Unchanged,
    }
}
