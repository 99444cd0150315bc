//! ArcGIS Monitor as a source: the call, and which of its events are about alerts.

use bugle_model::{Signal, Timestamp};
use serde_json::{Map, Value};

use super::{
    SIGNATURE, SIGNATURE_BASE64, SLUG, TITLE,
    attributes::{Operation, Row},
    sample,
};
use crate::{
    credentials::TOKEN_PARAMETER,
    json::{self, Value as Exact},
    scheme::Scheme,
    source::{DecodeError, Decoded, Inbound, Sample, SamplePhase, SenderRetry, Setting, Source},
};

/// ArcGIS Monitor as a source.
#[derive(Debug, Clone, Copy)]
pub struct ArcGisMonitor;

/// The setting that says what becomes of ArcGIS Monitor's incidents.
const INCIDENTS: Setting = Setting {
    name: "incidents",
    choices: &["ignore", "alerts"],
    doc: "`ignore` (default): events about ArcGIS Monitor's incidents, which people write for maintenance as well as for \
          outages, are kept as receipts only. `alerts`: each is an alert of its own.",
};

impl Source for ArcGisMonitor {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn authentication(&self) -> &'static str {
        "HMAC-SHA256 of the body in `x-esriHook-Signature: sha256=`, hexadecimal (base64 is read as well). Old servers that \
         cannot sign: `?token=` in the URL."
    }

    fn schemes(&self, _: &Map<String, Value>) -> Vec<Scheme> {
        vec![Scheme::Hmac(SIGNATURE), Scheme::Hmac(SIGNATURE_BASE64), Scheme::query(TOKEN_PARAMETER)]
    }

    /// Nothing is documented, so a refusal says what most senders try again on.
    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::ServerErrorsOnly
    }

    fn settings(&self) -> &'static [Setting] {
        &[INCIDENTS]
    }

    fn check_settings(&self, settings: &Map<String, Value>) -> Result<(), String> {
        match settings.get(INCIDENTS.name) {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(word)) if word == "ignore" || word == "alerts" => Ok(()),
            Some(_) => Err("the setting `incidents` is `ignore` or `alerts`".into()),
        }
    }

    fn decode(&self, inbound: &Inbound<'_>, settings: &Map<String, Value>) -> Result<Decoded, DecodeError> {
        let document = &json::parse(inbound.body)?;
        let Some(events) = document.get("events").filter(|events| events.is_array()) else {
            return Err(DecodeError::NotUnderstood(
                "the body has no list `events`: add this address as the webhook of a notification in ArcGIS Monitor"
                    .into(),
            ));
        };
        let incidents = settings.get(INCIDENTS.name).and_then(Value::as_str) == Some("alerts");
        let call = Call { info: &document["info"], incidents };
        Ok(call.read(events.items())?.delivered_as(document.text_at("info.trace_id")))
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: Timestamp) -> Sample {
        sample::sample(phase, key, at)
    }
}

/// What all events of one call share.
struct Call<'a> {
    info: &'a Exact<'a>,
    incidents: bool,
}

impl Call<'_> {
    fn read(&self, events: &[Exact]) -> Result<Decoded, DecodeError> {
        let mut signals = Vec::new();
        let mut passed_over: Vec<String> = Vec::new();
        let mut nameless = 0_usize;
        for event in events {
            let resource = event.text_at("resource").unwrap_or_default().to_ascii_lowercase();
            match resource.as_str() {
                "alerts" | "alert" => match self.signal(event, "alerts") {
                    Some(signal) => signals.push(signal),
                    None => nameless += 1,
                },
                "incidents" | "incident" if self.incidents => match self.signal(event, "incidents") {
                    Some(signal) => signals.push(signal),
                    None => nameless += 1,
                },
                "" => passed_over.push("nothing that it names".into()),
                _ => passed_over.push(resource),
            }
        }
        if signals.is_empty() && nameless > 0 {
            return Err(DecodeError::NotUnderstood(
                "no event about an alert has `attributes.id`, without which nothing tells which alert it is"
                    .into(),
            ));
        }
        passed_over.sort_unstable();
        passed_over.dedup();
        Ok(match (signals.is_empty(), passed_over.as_slice()) {
            (false, _) => Decoded { remark: remark(nameless, &passed_over), ..Decoded::signals(signals) },
            (true, []) => Decoded::ignored("The call holds no events."),
            (true, resources) => Decoded::ignored(format!(
                "Only events about alerts make incidents; this call is about {}.",
                shown(resources)
            )),
        })
    }

    fn signal(&self, event: &Exact, resource: &str) -> Option<Signal> {
        let word = event.text_at("operation");
        let row = Row {
            resource,
            operation: Operation::of(word.as_deref().unwrap_or_default()),
            attributes: &event["attributes"],
            info: self.info,
            seen_at: moment(event, "occurred_at").or_else(|| moment(self.info, "sent_at")),
        };
        let mut signal = row.signal()?;
        // The event with the call's own part, which names the server: what a dialect needs to tell it on.
        let members =
            vec![("info".into(), self.info.clone()), ("events".into(), Exact::Array(vec![event.clone()]))];
        signal.raw = Exact::Object(members).to_raw();
        Some(signal)
    }
}

fn moment(value: &Exact, name: &str) -> Option<Timestamp> {
    json::rfc3339_or_epoch(value.get(name)?)
}

fn remark(nameless: usize, passed_over: &[String]) -> Option<String> {
    let mut parts = Vec::new();
    if nameless > 0 {
        parts.push(format!("{nameless} events have no `attributes.id` and say nothing of any alert"));
    }
    if !passed_over.is_empty() {
        parts.push(format!("events about {} are kept only here", shown(passed_over)));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The first few resources, cut to a length for people.
fn shown(resources: &[String]) -> String {
    let mut text = resources.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
    bugle_model::signal::cut(&mut text, 200);
    text
}
