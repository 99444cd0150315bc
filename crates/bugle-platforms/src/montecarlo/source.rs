//! One call becomes one signal.
//!
//! The signed form forgets types in the outermost object: whoever has captured a call can turn `null` into `"None"` and
//! an object into a string without the secret. So types are insisted on, and the text `None` says nothing.
//!
//! No call says when it was made. A creation is told by its two nulls, is said once, and never undoes what is known: it may
//! come last. Of all else what arrives last counts, because nothing says what was last.

use bugle_model::{
    Severity, Signal, SignalStatus,
    incident::DeclaredSeverity,
    limits,
    signal::{Entity, Labels, Link, Measurement, Patch, SourceFacts},
};
use serde_json::Map;

use super::{
    SLUG, TITLE, sample, signature,
    words::{self, Feedback},
};
use crate::{
    credentials::TOKEN_PARAMETER,
    json::{self, Value},
    scheme::Scheme,
    source::{DecodeError, Decoded, Inbound, Sample, SamplePhase, SenderRetry, Source},
};

/// Monte Carlo as a source.
#[derive(Debug, Clone, Copy)]
pub struct MonteCarlo;

impl Source for MonteCarlo {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn authentication(&self) -> &'static str {
        "HMAC-SHA512 in `x-mcd-signature`, over the form that Python's `urlencode` makes of the parsed body. Without a \
         secret at Monte Carlo: `?token=` in the URL."
    }

    fn schemes(&self, _: &Map<String, serde_json::Value>) -> Vec<Scheme> {
        vec![Scheme::Hmac(signature()), Scheme::query(TOKEN_PARAMETER)]
    }

    /// Nothing is documented; every sender that tries again at all does so on 503.
    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::ServerErrorsOnly
    }

    /// The same reader as the signature's, so that what is acted on is what was signed.
    fn decode(
        &self,
        inbound: &Inbound<'_>,
        settings: &Map<String, serde_json::Value>,
    ) -> Result<Decoded, DecodeError> {
        decode(&json::parse_as_python(inbound.body)?, settings)
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: bugle_model::Timestamp) -> Sample {
        sample::sample(phase, key, at)
    }
}

fn decode(document: &Value, settings: &Map<String, serde_json::Value>) -> Result<Decoded, DecodeError> {
    let payload = &document["payload"];
    if !payload.is_object() {
        return Err(not_understood("`payload` is not an object, as it is in every call of Monte Carlo"));
    }
    let incident_id = text(payload.get("incident_id"))
        .ok_or_else(|| not_understood("`payload.incident_id` is missing, which names the alert"))?;
    let call = Call { document, payload };
    let (feedback, feedback_text) = call.feedback();
    let severity_text = call.word("declared_alert_severity");
    let declared_severity = match &severity_text {
        Patch::Set(word) => words::declared_severity(word).map_or(Patch::Unchanged, Patch::Set),
        Patch::Cleared => Patch::Cleared,
        Patch::Unchanged => Patch::Unchanged,
    };
    // `no_status` is what people set; null is said of both only when the alert is created.
    let creation =
        matches!(call.word("alert_feedback"), Patch::Cleared) && matches!(declared_severity, Patch::Cleared);
    let unknown = feedback_text.as_ref().filter(|_| feedback == Some(Feedback::Unknown));
    let remark =
        unknown.map(|word| format!("The status `{word}` is not known; the alert's status stays as it was."));
    let signal = Signal {
        fingerprint: incident_id,
        status: feedback.map_or(SignalStatus::Updated, Feedback::signal_status),
        status_text: feedback_text,
        severity: severity(&declared_severity, settings),
        severity_text: match severity_text {
            Patch::Set(word) => Some(word),
            _ => None,
        },
        title: call.title(),
        description: call.description(),
        labels: call.labels(),
        annotations: call.annotations(),
        entity: call.entity(),
        service: text(payload.get("group_id")),
        links: text(payload.get("url")).map(|url| Link { label: "alert".into(), url }).into_iter().collect(),
        measurements: call.measurements(),
        source: SourceFacts {
            owner: call.word("owner"),
            tickets: call.ticket().into_iter().collect(),
            feedback: match feedback {
                Some(Feedback::None) => Patch::Cleared,
                Some(Feedback::Status(status)) => Patch::Set(status),
                Some(Feedback::Unknown) | None => Patch::Unchanged,
            },
            declared_severity,
            comment: None,
        },
        creation,
        raw: document.to_raw(),
        ..Signal::default()
    };
    Ok(Decoded { signals: vec![signal], remark, ..Decoded::default() })
}

/// A severity that was taken back leaves the integration's default, not what was declared before.
fn severity(
    declared: &Patch<DeclaredSeverity>,
    settings: &Map<String, serde_json::Value>,
) -> Option<Severity> {
    match declared {
        Patch::Unchanged => None,
        Patch::Set(declared) => Some(words::severity(*declared)),
        Patch::Cleared => {
            let default = settings.get("default_severity").and_then(serde_json::Value::as_str);
            Some(default.and_then(Severity::from_common_word).unwrap_or_default())
        }
    }
}

fn not_understood(why: &str) -> DecodeError {
    DecodeError::NotUnderstood(format!(
        "{why}: see that the call comes from Monte Carlo and that nothing between rewrites it"
    ))
}

/// A string that says something.
fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?.trim();
    (!text.is_empty() && text != "None").then(|| text.to_owned())
}

/// A string that says something, or a number's exact text.
fn scalar(value: &Value) -> Option<String> {
    value.number_text().map(str::to_owned).or_else(|| text(Some(value)))
}

struct Call<'a> {
    document: &'a Value<'a>,
    payload: &'a Value<'a>,
}

impl<'a> Call<'a> {
    /// The first of the outermost object and `payload` that has a member called `name`, be it `null`.
    fn either(&self, name: &str) -> Option<&'a Value<'a>> {
        self.document.get(name).or_else(|| self.payload.get(name))
    }

    /// A field that a call may leave out, clear or set.
    fn word(&self, name: &str) -> Patch<String> {
        match self.either(name) {
            Some(Value::Null) => Patch::Cleared,
            value => text(value).map_or(Patch::Unchanged, Patch::Set),
        }
    }

    /// The status, and the word for it; `None` where the call does not mention it.
    fn feedback(&self) -> (Option<Feedback>, Option<String>) {
        match self.word("alert_feedback") {
            Patch::Unchanged => (None, None),
            Patch::Cleared => (Some(Feedback::None), None),
            Patch::Set(word) => (Some(Feedback::read(&word)), Some(word)),
        }
    }

    fn events(&self) -> &'a [Value<'a>] {
        self.payload.get("event_list").map(Value::items).unwrap_or_default()
    }

    fn rule(&self) -> &'a Value<'a> {
        let of_event = self.events().iter().map(|event| &event["rule"]).find(|rule| rule.is_object());
        of_event.unwrap_or(&self.payload["rule"])
    }

    fn table(&self) -> Option<String> {
        self.events().iter().find_map(|event| text(event.get("table_name")))
    }

    fn title(&self) -> String {
        let details = self.events().iter().find_map(|event| text(event.get("event_details")));
        let found = text(self.rule().get("description")).or_else(|| match (self.table(), details) {
            (Some(table), Some(details)) => Some(format!("{table}: {details}")),
            (table, details) => details.or(table),
        });
        found.unwrap_or_else(|| match text(self.document.get("type")) {
            Some(kind) => {
                format!(
                    "Monte Carlo: {}",
                    kind.trim_start_matches("open_").trim_end_matches("_incident").replace('_', " ")
                )
            }
            None => "Monte Carlo alert".to_owned(),
        })
    }

    /// What every event says, when there are several.
    fn description(&self) -> Option<String> {
        let lines: Vec<String> = self
            .events()
            .iter()
            .take(limits::LABELS_MAX)
            .filter_map(|event| {
                let words = ["table_name", "event_details", "rule.description"];
                let said: Vec<String> = words.iter().filter_map(|path| text(event.at(path))).collect();
                (!said.is_empty()).then(|| said.join(": "))
            })
            .collect();
        (lines.len() > 1).then(|| lines.join("\n"))
    }

    fn labels(&self) -> Labels {
        named([
            ("account", text(self.document["account"].get("id"))),
            ("group", text(self.payload.get("group_id"))),
            ("table", self.table()),
        ])
    }

    fn annotations(&self) -> Labels {
        let rule = self.rule();
        let measured_at = self.events().iter().find_map(|event| {
            let hits = event.at("data.hits").map(Value::items).unwrap_or_default();
            hits.iter().find_map(|hit| text(hit.get("measurement_timestamp")))
        });
        named([
            ("type", text(self.document.get("type"))),
            ("rule", text(rule.get("uuid"))),
            ("rule_type", text(rule.get("rule_type"))),
            ("measured_at", measured_at),
        ])
    }

    /// The table; its path is the full id that a rule gives, or the group before its name as Monte Carlo writes ids.
    fn entity(&self) -> Option<Entity> {
        let full_id =
            || self.rule()["comparisons"].items().iter().find_map(|one| text(one.get("full_table_id")));
        let table = self.table();
        let path = full_id().or_else(|| {
            let group = text(self.payload.get("group_id"))?;
            table.as_ref().map(|table| format!("{group}.{table}"))
        });
        let name = table.or_else(|| full_id()?.rsplit(['.', ':']).next().map(str::to_owned))?;
        Some(Entity { kind: "table".into(), name, path })
    }

    fn measurements(&self) -> Vec<Measurement> {
        self.events().iter().flat_map(measurements).take(limits::LABELS_MAX).collect()
    }

    /// No field for tickets is documented. The names that other fields suggest are tried.
    fn ticket(&self) -> Option<bugle_model::incident::Ticket> {
        ["ticket", "external_ticket", "ticket_url", "external_ticket_url"].iter().find_map(|name| {
            let value = self.either(name)?;
            let mut ticket = words::ticket(&text(value.get("url").or(Some(value)))?)?;
            if let Some(key) = value.get("key").or_else(|| value.get("id")).and_then(scalar) {
                ticket.key = key;
            }
            if let Some(system) = text(value.get("system").or_else(|| value.get("type"))) {
                ticket.system = system.to_ascii_lowercase();
            }
            Some(ticket)
        })
    }
}

fn named<const N: usize>(pairs: [(&str, Option<String>); N]) -> Labels {
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// What an event measured. Its comparisons are of the hits at the same places; a lone one is of all.
fn measurements(event: &Value) -> Vec<Measurement> {
    let data = &event["data"];
    let hits = data["hits"].items();
    let comparisons = ["data.rule_comparisons", "rule.comparisons"]
        .into_iter()
        .filter_map(|path| event.at(path).map(Value::items))
        .find(|items| !items.is_empty())
        .unwrap_or_default();
    let nothing = Value::Null;
    (0..hits.len().max(comparisons.len()).min(limits::LABELS_MAX))
        .map(|place| {
            let hit = hits.get(place).unwrap_or(&nothing);
            let alone = (comparisons.len() == 1).then(|| comparisons.first()).flatten();
            let comparison = comparisons.get(place).or(alone).unwrap_or(&nothing);
            let metric = text(comparison.get("metric")).or_else(|| text(data.get("metric_display_name")));
            Measurement {
                metric: metric.unwrap_or_default(),
                value: scalar(&hit["value"]),
                operator: text(comparison.get("operator")),
                threshold: scalar(&comparison["threshold"]),
                expected: None,
                group: named([("field", text(hit.get("field")))]),
            }
        })
        .collect()
}
