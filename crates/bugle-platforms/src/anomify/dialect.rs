//! How Bugle tells of an incident to a receiver that expects Anomify.
//!
//! | event | post |
//! |---|---|
//! | `incident.created` | the initial one |
//! | `incident.updated` | the one with correlations, which are empty where none are known |
//! | `incident.resolved` | the final one, with `end_timestamp` |
//! | any other | none: Anomify has no word for it |
//!
//! What Anomify's document needs and other sources do not give:
//! - `id`: of an anomaly that came from Anomify its own; else the incident's number, in digits as Anomify's ids are.
//! - `anomalyScore`: as Anomify said it; else 0.95, 0.8, 0.6, 0.3 or 0.1 for critical, high, medium, low or info.
//! - `metric`: the alert's first measurement, else its entity's path or name, else the incident's title; after the host, as
//!   Anomify's names begin, where there is one (its dots as `_`).
//! - `value`: what was measured; 0 where nothing was, or nothing that is a number.
//!
//! Times are in whole seconds. Numbers are written as they were received.

use std::borrow::Cow;

use bugle_model::{
    Alert, AlertStatus, Event, EventKind, Signal, Timestamp,
    event::Actor,
    signal::{Correlation, Measurement, Related},
};
use serde_json::{Map, Value as Setup};

use super::{AnomifyDialect, wire};
use crate::{
    dialect::{Dialect, Notice, Outbound, RenderError, Wishes, vendor},
    json::{self, Value},
    scheme::Scheme,
};

impl Dialect for AnomifyDialect {
    fn slug(&self) -> &'static str {
        "anomify"
    }

    fn title(&self) -> &'static str {
        "Anomify"
    }

    fn check(&self, wishes: &Wishes<'_>) -> Result<(), String> {
        let reserved: &[&str] = if wishes.secret.is_some() { &[wire::API_KEY_HEADER] } else { &[] };
        vendor::check(self, wishes, reserved)
    }

    fn render(&self, notice: &Notice<'_>, wishes: &Wishes<'_>) -> Result<Option<Outbound>, RenderError> {
        let event = notice.event;
        if !matches!(event.kind, EventKind::Created | EventKind::Updated | EventKind::Resolved) {
            return Ok(None);
        }
        let members = [("data", object([("anomaly", anomaly(event))])), ("status", object([]))];
        vendor::request(object(members).to_string().into_bytes(), notice, wishes).map(Some)
    }

    fn scheme(&self, _: &Map<String, Setup>) -> Option<Scheme> {
        Some(Scheme::header(wire::API_KEY_HEADER))
    }
}

/// The members in the order of Anomify's own posts.
fn anomaly(event: &Event) -> Value<'_> {
    let signal = event.alert.as_deref().map(|alert| &alert.signal);
    let correlations = signal.map_or(&[][..], |signal| &signal.correlations);
    let related = signal.map_or(&[][..], |signal| &signal.related);
    // What the initial post lacks it has here where the correlations came first.
    let is_complete = event.kind != EventKind::Created || !correlations.is_empty() || !related.is_empty();
    let (matches, anomalies): (Vec<_>, Vec<_>) = related.iter().partition(|one| one.kind == wire::MATCH);
    let complete = |value| is_complete.then_some(value);
    let members = [
        ("anomalyScore", Some(score(event))),
        (wire::CORRELATIONS, complete(keyed(correlations.iter().map(correlation)))),
        ("end_timestamp", (event.kind == EventKind::Resolved).then(|| seconds(ended_at(event)))),
        ("id", Some(string(id(event)))),
        ("metric", Some(string(metric(event)))),
        (wire::RELATED_ANOMALIES, complete(keyed(anomalies.into_iter().map(related_anomaly)))),
        (wire::RELATED_MATCHES, complete(keyed(matches.into_iter().map(related_match)))),
        ("timestamp", Some(seconds(event.incident.started_at))),
        ("value", Some(value(signal))),
    ];
    object(members.into_iter().filter_map(|(name, value)| Some((name, value?))))
}

fn id(event: &Event) -> String {
    match vendor::own_key(&event.incident, "anomify") {
        Some(id) => id.to_owned(),
        None => event.incident.id.as_i64().to_string(),
    }
}

fn score(event: &Event) -> Value<'_> {
    let said = event.alert.as_deref().filter(|_| event.incident.platform == "anomify");
    said.and_then(|alert| number(alert.signal.severity_text.as_deref()?))
        .or_else(|| number(wire::score(event.incident.severity)))
        .unwrap_or(Value::Null)
}

/// When the source says it ended, if it was the source that ended it.
fn ended_at(event: &Event) -> Timestamp {
    let by_source = matches!(event.actor, Actor::Source { .. });
    let is_over = |alert: &&Alert| by_source && alert.status == AlertStatus::Resolved;
    let said = event.alert.as_deref().filter(is_over).and_then(|alert| alert.signal.ended_at);
    let ended = said.or(event.incident.resolved_at).unwrap_or(event.at);
    ended.max(event.incident.started_at)
}

fn metric(event: &Event) -> String {
    let incident = &event.incident;
    let own = incident.labels.get(wire::METRIC_LABEL).filter(|_| incident.platform == "anomify");
    if let Some(metric) = own {
        return metric.clone();
    }
    let measured = event.alert.as_deref().and_then(|alert| measurement(&alert.signal));
    let entity = incident.entity.as_ref();
    let name = measured
        .map(|measurement| measurement.metric.as_str())
        .or_else(|| entity.and_then(|entity| entity.path.as_deref()))
        .or_else(|| entity.map(|entity| entity.name.as_str()))
        .filter(|name| !name.is_empty())
        .unwrap_or(&incident.title);
    let host = incident.host.as_deref().unwrap_or_default().replace('.', "_");
    if host.is_empty() || name.starts_with(&host) { name.to_owned() } else { format!("{host}.{name}") }
}

fn value(signal: Option<&Signal>) -> Value<'_> {
    let measured = signal.and_then(measurement).and_then(|measurement| number(measurement.value.as_deref()?));
    measured.unwrap_or_else(|| Value::Number("0".into()))
}

/// The first measurement that is a number; else the first.
fn measurement(signal: &Signal) -> Option<&Measurement> {
    let has_number = |measurement: &&Measurement| {
        measurement.value.as_deref().is_some_and(|value| number(value).is_some())
    };
    signal.measurements.iter().find(has_number).or_else(|| signal.measurements.first())
}

fn correlation<'a>(told: &'a Correlation) -> (&'a str, Value<'a>) {
    let value = |text: &'a str| number(text).unwrap_or(Value::Null);
    let numbers = object([
        ("coefficient", value(&told.coefficient)),
        ("shifted", value(&told.shifted)),
        ("shifted_coefficient", value(&told.shifted_coefficient)),
    ]);
    (&told.metric, numbers)
}

fn related_anomaly(told: &Related) -> (&str, Value<'_>) {
    (&told.id, object(metric_of(told).into_iter().chain(timestamp_of(told)).chain(details(told))))
}

fn related_match(told: &Related) -> (&str, Value<'_>) {
    (&told.id, object(timestamp_of(told).into_iter().chain(details(told)).chain(metric_of(told))))
}

fn metric_of(told: &Related) -> Option<(&str, Value<'_>)> {
    Some(("metric", string(told.metric.as_deref()?)))
}

fn timestamp_of(told: &Related) -> Option<(&str, Value<'_>)> {
    Some(("timestamp", seconds(told.timestamp?)))
}

/// `fp id` is a number at Anomify; `layer id` may be the text `None`.
fn details(told: &Related) -> impl Iterator<Item = (&str, Value<'_>)> {
    told.details.iter().map(|(name, text)| (name.as_str(), number(text).unwrap_or_else(|| string(text))))
}

/// An object by name or id. Of members with the same name the first stays.
fn keyed<'a>(members: impl Iterator<Item = (&'a str, Value<'a>)>) -> Value<'a> {
    let mut seen = std::collections::BTreeSet::new();
    object(members.filter(|(name, _)| seen.insert(*name)))
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Value<'a> {
    Value::Object(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn string<'a>(text: impl Into<Cow<'a, str>>) -> Value<'a> {
    Value::String(text.into())
}

fn seconds(moment: Timestamp) -> Value<'static> {
    Value::Number(moment.as_seconds().to_string().into())
}

/// A number with its exact text; `None` for any other text.
fn number(text: &str) -> Option<Value<'_>> {
    json::parse(text.as_bytes()).ok().filter(|value| value.number_text().is_some())
}
