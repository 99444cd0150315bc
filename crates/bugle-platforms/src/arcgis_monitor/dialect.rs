//! An incident as one alert of ArcGIS Monitor.
//!
//! The unit is the incident, because people resolve incidents and an alert must close with them. One that came from ArcGIS
//! Monitor leaves with its own id, server, attributes and page. What others do not tell has these defaults: `aggregation`
//! `last`, `samples` 1, `null` for what was not measured, and for the numbers of components, metrics and observers a number
//! that stands for their name. An event of which no alert is told leaves out what the alert would say: an update may be a
//! part.

use std::borrow::Cow;

use bugle_model::{AlertStatus, EventKind, Incident, Severity, Signal, Timestamp, signal::Measurement};
use serde_json::{Map, Value};

use super::{
    SIGNATURE, SIGNATURE_HEADER, SLUG, TITLE,
    attributes::{IDENTIFYING, page},
};
use crate::{
    dialect::{Dialect, Notice, Outbound, RenderError, Wishes, vendor},
    invented,
    json::{self, Member, Value as Exact},
    scheme::Scheme,
    source::Setting,
};

/// Writes calls as ArcGIS Monitor does, signed in `x-esriHook-Signature`.
#[derive(Debug, Clone, Copy)]
pub struct ArcGisMonitorDialect;

/// The setting that names the server, and what is written without it and without a public URL.
const MONITOR_URL: &str = "monitor_url";
const MONITOR_URL_DEFAULT: &str = "http://localhost:8000/";

/// The settings that are texts, each with its default.
const NOTIFICATION_ID: (&str, &str) = ("notification_id", "1");
const NOTIFICATION_NAME: (&str, &str) = ("notification_name", "Bugle");
const VERSION: (&str, &str) = ("version", "2024.0.0");

/// Longest text of a setting.
const SETTING_BYTES_MAX: usize = 256;

impl Dialect for ArcGisMonitorDialect {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting {
                name: NOTIFICATION_ID.0,
                choices: &[],
                doc: "The notification's id in `info.id`. `1` by default.",
            },
            Setting {
                name: NOTIFICATION_NAME.0,
                choices: &[],
                doc: "The notification's name in `info.name`. `Bugle` by default.",
            },
            Setting {
                name: MONITOR_URL,
                choices: &[],
                doc: "The server's address in `info.monitor_url`, for incidents that did not come from ArcGIS Monitor. Bugle's \
                      public URL by default.",
            },
            Setting {
                name: VERSION.0,
                choices: &[],
                doc: "The server's version in `info.version`. `2024.0.0` by default.",
            },
        ]
    }

    fn check(&self, wishes: &Wishes<'_>) -> Result<(), String> {
        for (name, default) in [NOTIFICATION_ID, NOTIFICATION_NAME, VERSION, (MONITOR_URL, "")] {
            let text = setting(wishes.settings, name, default)?;
            if name == MONITOR_URL
                && !(text.is_empty() || text.starts_with("https://") || text.starts_with("http://"))
            {
                return Err("the setting `monitor_url` must begin with https:// or http://".into());
            }
        }
        vendor::check(self, wishes, if wishes.secret.is_some() { &[SIGNATURE_HEADER] } else { &[] })
    }

    fn render(&self, notice: &Notice<'_>, wishes: &Wishes<'_>) -> Result<Option<Outbound>, RenderError> {
        let Some(operation) = operation(notice.event.kind) else { return Ok(None) };
        let telling = Telling::new(notice, wishes.settings).map_err(RenderError)?;
        let body = telling.call(operation, wishes.settings).map_err(RenderError)?;
        vendor::request(body.to_string().into_bytes(), notice, wishes).map(Some)
    }

    fn scheme(&self, _settings: &Map<String, Value>) -> Option<Scheme> {
        Some(Scheme::Hmac(SIGNATURE))
    }
}

/// A text of the destination's settings.
fn setting<'a>(settings: &'a Map<String, Value>, name: &str, default: &'a str) -> Result<&'a str, String> {
    match settings.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::String(text)) if !text.trim().is_empty() && text.len() <= SETTING_BYTES_MAX => {
            Ok(text.trim())
        }
        Some(_) => Err(format!("the setting `{name}` is a text of at most {SETTING_BYTES_MAX} bytes")),
    }
}

/// The word for what happened; `None` for what people do that ArcGIS Monitor does not know: acknowledging, owners, tickets,
/// declared severities, comments.
const fn operation(kind: EventKind) -> Option<&'static str> {
    match kind {
        EventKind::Created => Some("add"),
        EventKind::Updated | EventKind::Resolved | EventKind::Reopened => Some("update"),
        _ => None,
    }
}

/// An event on its way into ArcGIS Monitor's words.
struct Telling<'a> {
    notice: &'a Notice<'a>,
    incident: &'a Incident,
    /// What the alert that caused the event says.
    signal: Option<&'a Signal>,
    /// Its id, when the incident came from ArcGIS Monitor.
    own_id: Option<i64>,
    /// The server, with a slash at its end.
    monitor_url: String,
}

impl<'a> Telling<'a> {
    fn new(notice: &'a Notice<'a>, settings: &Map<String, Value>) -> Result<Self, String> {
        let incident = &notice.event.incident;
        let own = vendor::own_key(incident, SLUG).and_then(own_row);
        let monitor_url = match own {
            Some((id, server)) => own_server(incident, id, server),
            None => None,
        };
        let monitor_url = match monitor_url {
            Some(url) => url,
            None => server(setting(settings, MONITOR_URL, "")?, notice.incident_url),
        };
        Ok(Self {
            notice,
            incident,
            signal: notice.event.alert.as_deref().map(|alert| &alert.signal),
            own_id: own.map(|(id, _)| id),
            monitor_url,
        })
    }

    fn call<'b>(&'b self, operation: &'b str, settings: &'b Map<String, Value>) -> Result<Exact<'b>, String> {
        let event = self.notice.event;
        let at = moment(event.at);
        let text_of = |(name, default)| setting(settings, name, default).map(text);
        let info = object([
            ("id", text_of(NOTIFICATION_ID)?),
            ("name", text_of(NOTIFICATION_NAME)?),
            ("monitor_url", text(&self.monitor_url)),
            ("version", text_of(VERSION)?),
            ("sent_at", at.clone()),
            ("trace_id", text(invented::uuid("arcgis notice", &event.id.to_string()))),
        ]);
        let told = object([
            ("operation", text(operation)),
            ("resource", text("alerts")),
            ("occurred_at", at),
            ("attributes", Exact::Object(self.attributes(operation == "add"))),
        ]);
        Ok(object([("info", info), ("events", Exact::Array(vec![told]))]))
    }

    fn attributes(&self, new: bool) -> Vec<Member<'_>> {
        let id = self.own_id.unwrap_or_else(|| standing_for("incident", &self.incident.id.to_string()));
        let whole = new || self.signal.is_some();
        let mut attributes = vec![member("id", number(id))];
        attributes.extend(self.name().map(|name| member("name", text(name))));
        attributes.extend(if self.own_id.is_some() { self.own_component() } else { self.component() });
        attributes.push(member("state", text(if self.incident.is_resolved() { "closed" } else { "open" })));
        attributes.push(member("status", number(self.status())));
        if whole {
            attributes.push(member("created_at", moment(self.created_at())));
            attributes.push(member("opened_at", moment(self.opened_at())));
        }
        attributes.push(member("closed_at", self.closed_at().map_or(Exact::Null, moment)));
        if whole {
            attributes.extend(if self.own_id.is_some() { self.own_measured() } else { self.measured() });
        }
        attributes.extend(self.page().map(|url| member("url", text(url))));
        attributes
    }

    /// 3 critical, 2 warning, 1 info, 0 nominal. `high` is nearer to critical than to a warning.
    fn status(&self) -> i64 {
        if self.incident.is_resolved() { 0 } else { i64::from(self.level()) }
    }

    fn level(&self) -> u8 {
        match self.incident.severity {
            Severity::Critical | Severity::High => 3,
            Severity::Medium => 2,
            Severity::Low | Severity::Info => 1,
        }
    }

    /// What the alert says, where it came from ArcGIS Monitor.
    fn own_signal(&self) -> Option<&'a Signal> {
        self.signal.filter(|_| self.own_id.is_some())
    }

    fn created_at(&self) -> Timestamp {
        let told = self.own_signal().and_then(|signal| signal.annotations.get("created_at")?.parse().ok());
        told.unwrap_or(self.incident.opened_at)
    }

    fn opened_at(&self) -> Timestamp {
        self.own_signal().and_then(|signal| signal.started_at).unwrap_or(self.incident.started_at)
    }

    /// When the source saw the end, where the source ended it. Never before the beginning, which may be by another clock.
    fn closed_at(&self) -> Option<Timestamp> {
        let alert = self.notice.event.alert.as_deref();
        let ended = alert
            .filter(|alert| alert.status == AlertStatus::Resolved)
            .and_then(|alert| alert.signal.ended_at);
        self.incident.resolved_at.map(|resolved_at| ended.unwrap_or(resolved_at).max(self.opened_at()))
    }

    fn label(&self, name: &str) -> Option<&'a String> {
        self.signal.map_or(&self.incident.labels, |signal| &signal.labels).get(name)
    }

    fn name(&self) -> Option<String> {
        if self.own_id.is_some() { self.label("metric").cloned() } else { Some(self.incident.title.clone()) }
    }

    fn own_component(&self) -> Vec<Member<'_>> {
        let told = |name: &&'static str| Some(member(name, exact(self.label(name)?)));
        IDENTIFYING.iter().filter_map(told).collect()
    }

    fn component(&self) -> Vec<Member<'_>> {
        let incident = self.incident;
        let (kind, name) = match (&incident.entity, &incident.host, &incident.service) {
            (Some(entity), _, _) => (entity.kind.as_str(), entity.name.as_str()),
            (None, Some(host), _) => ("host", host.as_str()),
            (None, None, Some(service)) => ("service", service.as_str()),
            (None, None, None) => ("platform", incident.platform.as_str()),
        };
        let metric = self.measurement().map_or(incident.title.as_str(), |measured| &measured.metric);
        vec![
            member("metric_id", number(standing_for("metric", metric))),
            member("observer_id", number(standing_for("observer", &incident.integration_id.to_string()))),
            member("component_id", number(standing_for("component", &format!("{kind}/{name}")))),
            member("component_name", text(name)),
            member("component_type", text(kind)),
            member("component_subtype", Exact::Null),
        ]
    }

    fn measurement(&self) -> Option<&'a Measurement> {
        self.signal?.measurements.first()
    }

    /// As they came, those that ArcGIS Monitor does not document too.
    fn own_measured(&self) -> Vec<Member<'_>> {
        let Some(signal) = self.signal else { return Vec::new() };
        let written = ["state", "created_at", "notification", "monitor_url"];
        let mut members: Vec<_> = signal
            .annotations
            .iter()
            .filter(|(name, _)| !written.contains(&name.as_str()))
            .map(|(name, value)| member(name, exact(value)))
            .collect();
        let measured = signal.measurements.first();
        let told = |value: Option<&'a String>| value.map_or(Exact::Null, |value| exact(value));
        members.push(member("operator", told(measured.and_then(|measured| measured.operator.as_ref()))));
        members.push(member("value", told(measured.and_then(|measured| measured.value.as_ref()))));
        members
    }

    fn measured(&self) -> Vec<Member<'_>> {
        let measured = self.measurement();
        let numeric =
            |value: Option<&'a String>| value.and_then(|value| numeral(value)).unwrap_or(Exact::Null);
        let threshold = numeric(measured.and_then(|measured| measured.threshold.as_ref()));
        let at_level = |level: u8| if self.level() == level { threshold.clone() } else { Exact::Null };
        let operator = measured.and_then(|measured| measured.operator.as_deref());
        vec![
            member("aggregation", text("last")),
            member("operator", operator.map_or(Exact::Null, text)),
            member("samples", number(1)),
            member("info_threshold", at_level(1)),
            member("warning_threshold", at_level(2)),
            member("critical_threshold", at_level(3)),
            member("value", numeric(measured.and_then(|measured| measured.value.as_ref()))),
        ]
    }

    /// The page to open, where it is not the one that follows from server and id.
    fn page(&self) -> Option<String> {
        let links = self.signal.map_or(&self.incident.links, |signal| &signal.links);
        let first = || links.first().map(|link| link.url.clone());
        if let Some(id) = self.own_id {
            let known = page(&self.monitor_url, &id.to_string());
            return first().filter(|url| *url != known);
        }
        self.notice.incident_url.map(str::to_owned).or_else(first)
    }
}

/// Id and server in a fingerprint that ArcGIS Monitor's own alerts have.
fn own_row(key: &str) -> Option<(i64, Option<&str>)> {
    let row = key.strip_prefix("alerts:")?;
    let (id, server) = row.split_once('@').map_or((row, None), |(id, server)| (id, Some(server)));
    Some((id.parse().ok()?, server))
}

/// The server as it wrote itself, which its page still tells.
fn own_server(incident: &Incident, id: i64, server: Option<&str>) -> Option<String> {
    let server = server?;
    let written = incident.links.iter().find_map(|link| {
        let beginning = link.url.strip_suffix(&page("", &id.to_string()))?;
        beginning.to_ascii_lowercase().ends_with(server).then(|| format!("{beginning}/"))
    });
    Some(written.unwrap_or_else(|| format!("https://{server}/")))
}

/// What is written for a server of others' incidents: what is configured, else where Bugle is.
fn server(configured: &str, incident_url: Option<&str>) -> String {
    let public = incident_url.and_then(|url| url.rsplit_once("/incidents/")).map(|(base, _)| base);
    let url = Some(configured).filter(|url| !url.is_empty()).or(public).unwrap_or(MONITOR_URL_DEFAULT);
    format!("{}/", url.trim_end_matches('/'))
}

/// A number below 2^52, which JavaScript and Python read exactly, that stands for a name.
fn standing_for(purpose: &str, name: &str) -> i64 {
    let digits: String = invented::hex_digits(&format!("arcgis {purpose}"), name).chars().take(13).collect();
    i64::from_str_radix(&digits, 16).unwrap_or_default()
}

fn member<'a>(name: &'a str, value: Exact<'a>) -> Member<'a> {
    (name.into(), value)
}

fn object<'a, const N: usize>(members: [(&'a str, Exact<'a>); N]) -> Exact<'a> {
    Exact::Object(members.into_iter().map(|(name, value)| member(name, value)).collect())
}

fn text<'a>(text: impl Into<Cow<'a, str>>) -> Exact<'a> {
    Exact::String(text.into())
}

fn number(number: i64) -> Exact<'static> {
    Exact::Number(number.to_string().into())
}

fn moment(moment: Timestamp) -> Exact<'static> {
    number(moment.as_millis())
}

/// A number where the text is one, digit by digit as it was sent.
fn numeral(written: &str) -> Option<Exact<'_>> {
    json::parse(written.as_bytes()).ok().filter(|value| value.number_text().is_some())
}

/// A number where the text is one, else the text. Annotations hold moments as people read them.
fn exact(written: &str) -> Exact<'_> {
    numeral(written).unwrap_or_else(|| text(written))
}
