//! What the fields of a payload mean.

use std::borrow::Cow;

use bugle_model::{
    Severity, Signal, SignalStatus,
    signal::{Entity, Labels, Link, Measurement, Raw},
};
use sha2::{Digest, Sha256};

use super::{
    headline::{self, Headline, Transition},
    torn,
};
use crate::{
    fields::Fields,
    form,
    json::{self, Value},
    source::{DecodeError, Decoded, Names},
};

/// Fields of a form that hold the payload.
const WRAPPERS: &[&str] = &["payload", "body", "json"];

/// Reads a body: JSON, a form, or what is left of broken JSON.
pub(super) fn decode(body: &[u8]) -> Result<Decoded, DecodeError> {
    if let Some(document) = form::document(body, WRAPPERS) {
        return read(&document);
    }
    match json::parse(body) {
        Ok(document) => read(&document),
        Err(error) => torn::fields(&String::from_utf8_lossy(body))
            .map(|fields| read_torn(&fields, body, &error))
            .ok_or(error),
    }
}

/// What a body is called that is not broken.
pub(super) fn names(body: &[u8]) -> Option<Names> {
    let document = match form::document(body, WRAPPERS) {
        Some(document) => document,
        None => json::parse(body).ok()?,
    };
    let alert_id = Subject::of(&fields(&document).ok()?).ok()?.key.fingerprint;
    Some(Names { alert_id: Some(alert_id), delivery_id: None })
}

fn fields<'a>(document: &'a Value<'a>) -> Result<Fields<'a>, DecodeError> {
    if !document.is_object() {
        return Err(DecodeError::NotUnderstood(
            "the body is JSON, but no object: paste the payload from the setup page into the webhook".into(),
        ));
    }
    Ok(Fields::new(document, is_blank))
}

fn read(document: &Value) -> Result<Decoded, DecodeError> {
    let mut decoded = Decoded::signals(vec![signal(&fields(document)?)?]);
    decoded.remark = unfilled(document).map(|names| {
        format!("Datadog filled in no value for {names}: check these variables in the webhook's payload.")
    });
    decoded.signals.iter_mut().for_each(|signal| signal.raw = document.to_raw());
    Ok(decoded)
}

/// A broken payload still tells of a problem, so it becomes an alert whatever is left of it.
fn read_torn(fields: &Value, body: &[u8], error: &DecodeError) -> Decoded {
    let text = String::from_utf8_lossy(body);
    let mut signal = signal(&Fields::new(fields, is_blank)).unwrap_or_else(|_| Signal {
        fingerprint: format!("unread:{}", hex::encode(Sha256::digest(body))),
        title: "An alert of Datadog that could not be read".into(),
        description: Some(text.clone().into_owned()),
        ..Signal::default()
    });
    signal.raw = serde_json::to_string(text.as_ref()).ok().map(Raw::new);
    Decoded {
        signals: vec![signal],
        remark: Some(format!(
            "{error}. It was read field by field: put every variable of the webhook's payload in quotes."
        )),
        ..Decoded::default()
    }
}

/// The variables that Datadog left as they were written.
fn unfilled(document: &Value) -> Option<String> {
    let names: Vec<&str> = document
        .pairs()
        .iter()
        .filter_map(|(_, value)| value.as_str().map(str::trim))
        .filter(|text| is_variable(text))
        .take(8)
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// `null` as a word, and variables that Datadog does not know or had no value for, are no values.
fn is_blank(text: &str) -> bool {
    matches!(text, "" | "null" | "None") || is_variable(text)
}

fn is_variable(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || b"_[]".contains(&byte))
    })
}

/// What the payload says about when and how the alert's state changed.
struct Change {
    transition: Transition,
    /// The word it was read from.
    word: Option<String>,
}

/// What the alert is about, and what names it.
struct Subject<'a> {
    headline: Headline<'a>,
    page: Option<&'a str>,
    scope: Option<Cow<'a, str>>,
    monitor: Option<&'a str>,
    key: Key,
}

impl<'a> Subject<'a> {
    fn of(fields: &Fields<'a>) -> Result<Self, DecodeError> {
        let title =
            fields.first_str(&["alert_title", "alert_name", "event_title", "title"]).unwrap_or_default();
        let event_title = fields.first_str(&["event_title", "title"]).unwrap_or_default();
        let mut headline = headline::parse(title);
        let event_headline = headline::parse(event_title);
        headline.priority = headline.priority.or(event_headline.priority);
        headline.state = headline.state.or(event_headline.state);
        headline.group = headline.group.or(event_headline.group);

        let text = fields.first_str(&["event_msg", "body", "text_only_msg", "message"]).unwrap_or_default();
        let MonitorPage { id, group, url } = monitor_page(text).unwrap_or_default();
        let scope = fields.first_str(&["alert_scope", "scope"]).or(headline.group).map(Cow::Borrowed);
        let scope = scope.or(group.map(Cow::Owned));
        let monitor = fields.first_str(&["alert_id", "monitor_id"]).or(id);
        let key = key(fields, monitor, scope.as_deref(), &headline)?;
        Ok(Self { headline, page: url, scope, monitor, key })
    }
}

fn signal(fields: &Fields<'_>) -> Result<Signal, DecodeError> {
    let Subject { headline, page, scope, monitor, key } = Subject::of(fields)?;
    let change = change(fields, headline.state);
    let (severity, severity_text) = severity(fields, headline.priority, change.transition);
    let at = fields.time(&["date", "date_posix", "last_updated", "last_updated_posix", "timestamp"]);
    let labels = labels(fields, scope.as_deref());
    let host = fields.first(&["hostname", "host"]).or_else(|| labels.get("host").cloned());
    let resolved = change.transition.status == SignalStatus::Resolved;
    Ok(Signal {
        fingerprint: key.fingerprint,
        grouping_key: key.grouping_key,
        status: change.transition.status,
        status_text: change.word,
        severity,
        severity_text,
        title: if headline.name.is_empty() {
            monitor.map_or_else(|| "Datadog alert".into(), |id| format!("Datadog monitor {id}"))
        } else {
            headline.name.to_owned()
        },
        description: description(fields),
        entity: host.as_ref().map(|host| Entity { kind: "host".into(), name: host.clone(), path: None }),
        service: fields.first(&["service"]).or_else(|| labels.get("service").cloned()),
        host,
        annotations: annotations(fields, monitor),
        links: links(fields, page),
        started_at: at.filter(|_| change.transition.begins),
        ended_at: at.filter(|_| resolved),
        observed_at: at,
        measurements: measurements(fields),
        labels,
        ..Signal::default()
    })
}

/// What names the alert.
struct Key {
    fingerprint: String,
    grouping_key: Option<String>,
}

/// The cycle's key is the same from trigger to recovery and new with the next trigger; the aggregation key names the
/// monitor's group for good, so it ties the cycles together. An event's id is new with each notification: never a key.
fn key(
    fields: &Fields<'_>,
    monitor: Option<&str>,
    scope: Option<&str>,
    headline: &Headline<'_>,
) -> Result<Key, DecodeError> {
    let group = fields.first(&["aggreg_key", "alert_aggreg_key"]);
    if let Some(cycle) = fields.first(&["alert_cycle_key", "cycle_key"]) {
        return Ok(Key { fingerprint: cycle, grouping_key: group });
    }
    let named_by_template = fields.document().pairs().iter().any(|(name, _)| name.starts_with("alert_"));
    let fingerprint = group
        .or_else(|| monitor.map(|id| format!("{id}:{}", scope.unwrap_or_default())))
        .or_else(|| fields.first(&["id"]).filter(|_| named_by_template))
        .or_else(|| {
            (!headline.name.is_empty()).then(|| format!("{}:{}", headline.name, scope.unwrap_or_default()))
        })
        .ok_or_else(|| {
            let unfilled = unfilled(fields.document()).map(|names| format!(" Datadog filled in no value for {names}."));
            DecodeError::NotUnderstood(format!(
                "nothing in the payload names the alert: it needs `alert_cycle_key`, `aggreg_key`, `alert_id` or a title.{} \
                 Paste the payload from the setup page into the webhook",
                unfilled.unwrap_or_default()
            ))
        })?;
    Ok(Key { fingerprint, grouping_key: None })
}

/// `$ALERT_STATUS` is a sentence, but hand-written payloads use the name for a state.
fn change(fields: &Fields<'_>, headline_state: Option<&str>) -> Change {
    let stated = ["alert_transition", "transition", "alert_status", "status"]
        .iter()
        .filter_map(|name| fields.first_str(&[name]))
        .chain(headline_state)
        .find_map(|word| headline::transition(word).map(|transition| (transition, word)));
    if let Some((transition, word)) = stated {
        return Change { transition, word: Some(word.to_owned()) };
    }
    let kind = fields.first_str(&["alert_type"]);
    let (status, begins) = match kind {
        Some("success") => (SignalStatus::Resolved, false),
        _ => (SignalStatus::Firing, fields.first_str(&["alert_transition"]).is_none()),
    };
    let word = fields.first_str(&["alert_transition"]).or(kind);
    Change { transition: Transition { status, begins, warns: false }, word: word.map(str::to_owned) }
}

/// The monitor's priority, else a severity that the template names, else what the event's type implies. A recovery's type
/// (`success`) says nothing about how bad the problem was, and a warning is never more than `medium`.
fn severity(
    fields: &Fields<'_>,
    headline_priority: Option<&str>,
    transition: Transition,
) -> (Option<Severity>, Option<String>) {
    let stated = fields
        .first_str(&["alert_priority"])
        .into_iter()
        .chain(headline_priority)
        .chain(fields.first_str(&["severity"]))
        .find_map(|word| Severity::from_common_word(word).map(|severity| (severity, word)));
    let typed = || {
        let word = fields.first_str(&["alert_type"])?;
        let severity = match word.to_ascii_lowercase().as_str() {
            "error" => Severity::High,
            "warning" => Severity::Medium,
            "info" | "success" => Severity::Info,
            _ => return None,
        };
        (transition.status != SignalStatus::Resolved).then_some((severity, word))
    };
    let Some((severity, word)) = stated.or_else(typed) else { return (None, None) };
    let severity = if transition.warns { severity.min(Severity::Medium) } else { severity };
    (Some(severity), Some(word.to_owned()))
}

/// The tags, and the scope's where the tags lack them. Several values of one name are joined by commas; `monitor`, which
/// every alert has, is left out.
fn labels(fields: &Fields<'_>, scope: Option<&str>) -> Labels {
    let mut labels = Labels::new();
    let tags = fields.document().get("tags");
    for item in tags.map(Value::items).unwrap_or_default() {
        add_tag(&mut labels, item.text().unwrap_or_default());
    }
    for tag in fields.first_str(&["tags"]).unwrap_or_default().split(',') {
        add_tag(&mut labels, tag);
    }
    for tag in scope.unwrap_or_default().split(',') {
        if let Some((name, _)) = tag.trim().split_once(':')
            && !labels.contains_key(name)
        {
            add_tag(&mut labels, tag);
        }
    }
    labels
}

fn add_tag(labels: &mut Labels, tag: &str) {
    let tag = tag.trim();
    let (name, value) = match tag.split_once(':') {
        Some((name, value)) => (name, value),
        None if is_blank(tag) || tag == "monitor" => return,
        None => ("tags", tag),
    };
    let known = labels.entry(name.to_owned()).or_default();
    if known.is_empty() {
        value.clone_into(known);
    } else if !known.split(", ").any(|other| other == value) {
        known.push_str(", ");
        known.push_str(value);
    }
}

fn annotations(fields: &Fields<'_>, monitor: Option<&str>) -> Labels {
    const FIELDS: [(&str, &str); 8] = [
        ("query", "alert_query"),
        ("status", "alert_status"),
        ("event_type", "event_type"),
        ("event_id", "event_id"),
        ("organization", "org_name"),
        ("incident", "incident_public_id"),
        ("security_rule", "security_rule_name"),
        ("user", "username"),
    ];
    let mut annotations = Labels::new();
    for (name, field) in FIELDS {
        if let Some(text) = fields.first_str(&[field])
            && (name != "status" || headline::transition(text).is_none())
        {
            annotations.insert(name.to_owned(), text.to_owned());
        }
    }
    annotations.extend(monitor.map(|id| ("monitor_id".to_owned(), id.to_owned())));
    annotations.extend(fields.document().text_at("org.name").map(|name| ("organization".to_owned(), name)));
    annotations
}

/// Notification text is Markdown between `%%%` lines, with HTML's escapes in the default payload.
fn description(fields: &Fields<'_>) -> Option<String> {
    let text = fields.first_str(&["text_only_msg", "event_msg", "message", "body"])?;
    let text = text.strip_prefix("%%%").unwrap_or(text);
    let text = text.strip_suffix("%%%").unwrap_or(text).trim();
    (!text.is_empty()).then(|| unescaped(text))
}

fn unescaped(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let escapes = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    escapes.iter().fold(text.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

fn links(fields: &Fields<'_>, page: Option<&str>) -> Vec<Link> {
    let mut links = fields.links(&[("alert", &["link"]), ("snapshot", &["snapshot"])]);
    links.extend(page.map(|url| Link { label: "monitor".into(), url: url.to_owned() }));
    links
}

/// The link to the monitor that Datadog writes into notification texts; the default payload names it nowhere else.
#[derive(Default)]
struct MonitorPage<'a> {
    id: Option<&'a str>,
    group: Option<String>,
    url: Option<&'a str>,
}

fn monitor_page(text: &str) -> Option<MonitorPage<'_>> {
    const PATH: &str = "/monitors/";
    // A search for one character takes a fraction of the time, and most texts have few slashes.
    let is_there = |(at, _): &(usize, &str)| text.get(*at..).is_some_and(|rest| rest.starts_with(PATH));
    let (at, _) = text.match_indices('/').find(is_there)?;
    let begin = text.get(..at)?.rfind("https://")?;
    let url = text.get(begin..)?;
    let ends = |character: char| character.is_whitespace() || matches!(character, ')' | '"' | '<' | ']');
    let url = url.get(..url.find(ends).unwrap_or(url.len()))?;
    let after = url.split_once(PATH)?.1;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let id = after.get(..digits).filter(|id| !id.is_empty())?;
    let query = url.split_once('?').map(|(_, query)| query.replace("&amp;", "&")).unwrap_or_default();
    let group = form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "group" && !value.is_empty())
        .map(|(_, value)| value.into_owned());
    Some(MonitorPage { id: Some(id), group, url: Some(url) })
}

/// The metric, and the threshold at the end of the monitor's query: `... by {host} > 90`.
fn measurements(fields: &Fields<'_>) -> Vec<Measurement> {
    let Some(metric) = fields.first(&["alert_metric"]) else { return Vec::new() };
    let query = fields.first_str(&["alert_query"]).unwrap_or_default();
    let mut words = query.split_whitespace().rev();
    let threshold = words.next().filter(|word| word.parse::<f64>().is_ok());
    let operator = words.next().filter(|word| matches!(*word, ">" | ">=" | "<" | "<=" | "==" | "!="));
    let (operator, threshold) = operator.zip(threshold).unzip();
    vec![Measurement {
        metric,
        operator: operator.map(str::to_owned),
        threshold: threshold.map(str::to_owned),
        ..Measurement::default()
    }]
}
