//! Reading a body whose shape only its author knows: which path of it becomes which field of a signal.
//!
//! A mapping is the setting `mapping` of an integration. What it does not name is looked for under the names that people
//! usually choose, so that most bodies are understood without any. [`check()`] shows a person what a mapping makes of a
//! body. Which words mean firing or resolved is in `words`; which names are usual is in `field`.

mod check;
mod field;
mod rule;
mod words;

use std::{borrow::Cow, collections::BTreeMap};

use bugle_model::{
    Severity, Signal, SignalStatus, Timestamp,
    limits::SIGNALS_PER_RECEIPT_MAX,
    signal::{Labels, Link},
};
use serde_json::Map;
use sha2::{Digest, Sha256};

use crate::{
    json::Value,
    source::{DecodeError, Decoded, Setting},
};

pub use check::{CheckReport, FieldCheck, check};
use field::Field;
use rule::{Found, Rule};

/// The setting that holds a mapping.
pub const MAPPING_SETTING: Setting = Setting {
    name: "mapping",
    choices: &[],
    doc: "Which part of the body is which field, such as {\"title\": \"alert.name\", \"status\": {\"path\": \"state\", \
          \"values\": {\"ALARM\": \"firing\", \"OK\": \"resolved\"}}}. A path is a JSON Pointer (/alert/name) or has dots \
          (alert.name). Fields that it does not name are looked for under their usual names.",
};

/// The entry that leads to the list of alerts; it is no field of a signal.
const ITEMS: &str = "items";

/// Which part of a body is which field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    items: Option<Rule>,
    rules: BTreeMap<Field, Rule>,
}

/// A signal, and what a person should know of how it was read.
struct Read {
    signal: Signal,
    remarks: Vec<String>,
}

impl Mapping {
    /// Reads the setting `mapping`; without one, every field is looked for under its usual names.
    ///
    /// The error names the entry and says what would be right.
    pub fn from_settings(settings: &Map<String, serde_json::Value>) -> Result<Self, String> {
        let entries = match settings.get(MAPPING_SETTING.name) {
            None | Some(serde_json::Value::Null) => return Ok(Self::default()),
            Some(serde_json::Value::Object(entries)) => entries,
            Some(_) => {
                return Err(
                    "`mapping` must be an object of fields and paths, such as {\"title\": \"alert.name\"}"
                        .into(),
                );
            }
        };
        let mut mapping = Self::default();
        for (name, setting) in entries {
            let rule = Rule::from_setting(name, setting)?;
            if name == ITEMS {
                mapping.items = Some(rule);
            } else {
                let field = Field::from_name(name).ok_or_else(|| unknown_field(name))?;
                mapping.rules.insert(field, rule);
            }
        }
        Ok(mapping)
    }

    /// Reads a body. A list holds several alerts; those of it that cannot be read are told of in the remark.
    pub fn decode(&self, document: &Value) -> Result<Decoded, DecodeError> {
        let items = self.items(document)?;
        if items.is_empty() {
            return Ok(Decoded::ignored("the list of alerts is empty"));
        }
        let mut decoded = Decoded::default();
        let mut remarks: Vec<String> = Vec::new();
        for (position, item) in items.iter().take(SIGNALS_PER_RECEIPT_MAX).enumerate() {
            match self.read(item, document) {
                Ok(read) => {
                    decoded.signals.push(read.signal);
                    remarks.extend(read.remarks);
                }
                Err(why) if items.len() == 1 => return Err(DecodeError::NotUnderstood(why)),
                Err(why) => remarks.push(format!("item {position} of the list was left out: {why}")),
            }
        }
        if decoded.signals.is_empty() {
            return Err(DecodeError::NotUnderstood(remarks.into_iter().next().unwrap_or_default()));
        }
        decoded.remark = joined(remarks);
        Ok(decoded)
    }

    /// The alerts of a body: where `items` leads, the body when it is a list, its member `alerts` when that is a list of
    /// objects, else the body itself.
    fn items<'v>(&self, document: &'v Value<'v>) -> Result<&'v [Value<'v>], DecodeError> {
        if let Some(rule) = &self.items {
            return match rule.locate(document, document) {
                Some(Value::Array(items)) => Ok(items),
                Some(value) if value.is_object() => Ok(std::slice::from_ref(value)),
                Some(_) => Err(DecodeError::NotUnderstood(format!(
                    "`items` is mapped to {}, which in this body is no list: map it to the list of alerts",
                    rule.shown()
                ))),
                None => Err(DecodeError::NotUnderstood(format!(
                    "`items` is mapped to {}, which this body does not have: map it to the list of alerts, or leave it out \
                     when the body is one alert",
                    rule.shown()
                ))),
            };
        }
        let is_list = |list: &&Value| !list.items().is_empty() && list.items().iter().all(Value::is_object);
        Ok(match (document, document.get("alerts").filter(is_list)) {
            (Value::Array(items), _) | (_, Some(Value::Array(items))) => items,
            _ => std::slice::from_ref(document),
        })
    }

    /// What `field` is in `item`: by its rule when it has one, else by its usual names.
    fn find<'v>(&'v self, field: &Field, item: &'v Value<'v>, document: &'v Value<'v>) -> Option<Found<'v>> {
        match self.rules.get(field) {
            Some(rule) => rule.find(item, document),
            None => field::find_usual(field, item),
        }
    }

    fn read(&self, item: &Value, document: &Value) -> Result<Read, String> {
        let text = |field: Field| self.find(&field, item, document).and_then(|found| found.text());
        let moment = |field: Field| self.find(&field, item, document).and_then(|found| found.moment());
        let fingerprint = text(Field::Fingerprint);
        let title = text(Field::Title);
        if fingerprint.is_none() && title.is_none() {
            return Err(nothing_found(item));
        }
        let mut remarks = Vec::new();
        let labels = self.labels(&Field::Labels, item, document);
        let word = |field: Field| {
            let found = self.find(&field, item, document);
            found.and_then(|found| Some((found.text()?, found.own_word()))).unzip()
        };
        let (status_word, status_text) = word(Field::Status);
        let status = read_status(status_word.as_deref(), &mut remarks);
        let (severity_word, severity_text) = word(Field::Severity);
        let severity_word = severity_word.or_else(|| labels.get("severity").cloned());
        let observed_at = moment(Field::ObservedAt);
        let mut signal = Signal {
            status,
            severity: read_severity(severity_word.as_deref(), status_word.as_deref(), status),
            severity_text: severity_text.flatten().or(severity_word),
            status_text: status_text.flatten(),
            description: text(Field::Description).filter(|text| Some(text) != title.as_ref()),
            service: text(Field::Service).or_else(|| labels.get("service").cloned()),
            host: text(Field::Host)
                .or_else(|| labels.get("host").or_else(|| labels.get("instance")).cloned()),
            links: text(Field::Url).map(|url| Link { label: "alert".into(), url }).into_iter().collect(),
            started_at: moment(Field::StartedAt),
            ended_at: end(status, moment(Field::EndedAt), observed_at),
            observed_at,
            grouping_key: text(Field::GroupingKey),
            annotations: self.labels(&Field::Annotations, item, document),
            labels,
            title: title.unwrap_or_default(),
            raw: item.to_raw(),
            ..Signal::default()
        };
        signal.fingerprint = fingerprint.unwrap_or_else(|| {
            remarks.push(
                "no field names the alert, so title, service, host and labels do: map `fingerprint` to something that stays \
                 the same from firing to resolved"
                    .into(),
            );
            derived_fingerprint(&signal)
        });
        if signal.title.is_empty() && status == SignalStatus::Firing {
            signal.title = format!("Alert {}", signal.fingerprint);
        }
        Ok(Read { signal, remarks })
    }

    /// The whole map that `field` leads to, with the entries that have rules of their own laid over it.
    fn labels(&self, field: &Field, item: &Value, document: &Value) -> Labels {
        let mut labels = self.find(field, item, document).map(|found| found.labels()).unwrap_or_default();
        for (known, rule) in &self.rules {
            let ((Field::Labels, Field::Label(name)) | (Field::Annotations, Field::Annotation(name))) =
                (field, known)
            else {
                continue;
            };
            if let Some(text) = rule.find(item, document).and_then(|found| found.text()) {
                labels.insert(name.clone(), text);
            }
        }
        labels
    }
}

/// A word that is not known counts as firing: an alarm too many is noticed, one too few is not.
fn read_status(word: Option<&str>, remarks: &mut Vec<String>) -> SignalStatus {
    let Some(word) = word else { return SignalStatus::Firing };
    words::status(word).unwrap_or_else(|| {
        let word: String = word.chars().take(60).collect();
        remarks.push(format!(
            "the status `{word}` is not known and counts as firing: map it with {{\"status\": {{\"path\": ..., \"values\": \
             {{\"{word}\": \"firing\" or \"resolved\"}}}}}}"
        ));
        SignalStatus::Firing
    })
}

/// The severity's own word, else the status where that is one: Nagios and its kin say `CRITICAL` there.
fn read_severity(
    severity: Option<&str>,
    status_word: Option<&str>,
    status: SignalStatus,
) -> Option<Severity> {
    match (severity, status_word) {
        (Some(word), _) => Severity::from_common_word(word),
        (None, Some(word)) if status == SignalStatus::Firing => Severity::from_common_word(word),
        _ => None,
    }
}

/// A source that only says when it saw the end means that moment.
fn end(status: SignalStatus, ended: Option<Timestamp>, observed: Option<Timestamp>) -> Option<Timestamp> {
    (status == SignalStatus::Resolved).then(|| ended.or(observed)).flatten()
}

/// The same for every signal of an alert that is called the same and is about the same.
fn derived_fingerprint(signal: &Signal) -> String {
    let mut hash = Sha256::new();
    let parts = [Some(&signal.title), signal.service.as_ref(), signal.host.as_ref()];
    let labels =
        signal.labels.iter().filter(|(name, _)| !is_state(name)).flat_map(|(name, value)| [name, value]);
    for part in
        parts.into_iter().map(|part| part.map_or("", String::as_str)).chain(labels.map(String::as_str))
    {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut text = hex::encode(hash.finalize());
    text.truncate(32);
    format!("derived-{text}")
}

/// Whether a label tells how the alert stands now, and so cannot name it.
fn is_state(label: &str) -> bool {
    matches!(label, "status" | "state" | "severity" | "priority" | "level")
}

fn unknown_field(name: &str) -> String {
    let known: Vec<Cow<'_, str>> = Field::NAMED.iter().map(Field::name).collect();
    format!(
        "`mapping` has the entry `{name}`, which is no field: known are {}, labels.<name>, annotations.<name> and {ITEMS}",
        known.join(", ")
    )
}

fn nothing_found(item: &Value) -> String {
    let what = match item {
        Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Value::Object(members) => {
            let names: Vec<&str> = members.iter().take(12).map(|(name, _)| name.as_ref()).collect();
            format!("an object with {}", names.join(", "))
        }
        Value::Array(_) => "a list".into(),
        Value::Null => "null".into(),
        other => format!("only `{}`", other.to_string().chars().take(40).collect::<String>()),
    };
    format!(
        "neither a title nor a name for the alert was found in {what}: map `title` and `fingerprint` in the integration's \
         setting `mapping`"
    )
}

/// Each remark once, in order; no more than a screenful.
fn joined(remarks: Vec<String>) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    for remark in remarks {
        if told.len() < 8 && !told.contains(&remark) {
            told.push(remark);
        }
    }
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests;
