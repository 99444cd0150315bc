//! The fields of a signal that a mapping can fill, and the names that people usually give them.

use std::borrow::Cow;

use bugle_model::Severity;

use super::{
    rule::{Found, readable, says_something},
    words,
};
use crate::json::{Value, rfc3339_or_epoch};

/// A field of a signal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Fingerprint,
    Title,
    Description,
    Status,
    Severity,
    Service,
    Host,
    Url,
    StartedAt,
    EndedAt,
    ObservedAt,
    GroupingKey,
    /// All labels at once.
    Labels,
    /// All annotations at once.
    Annotations,
    /// One label.
    Label(String),
    /// One annotation.
    Annotation(String),
}

impl Field {
    /// Those with names of their own, as they are listed for people.
    pub(super) const NAMED: [Self; 14] = [
        Self::Fingerprint,
        Self::Title,
        Self::Description,
        Self::Status,
        Self::Severity,
        Self::Service,
        Self::Host,
        Self::Url,
        Self::StartedAt,
        Self::EndedAt,
        Self::ObservedAt,
        Self::GroupingKey,
        Self::Labels,
        Self::Annotations,
    ];

    /// The field called `name` in a mapping.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let entry = |prefix| name.strip_prefix(prefix).filter(|entry| !entry.is_empty()).map(str::to_owned);
        if let Some(entry) = entry("labels.") {
            return Some(Self::Label(entry));
        }
        if let Some(entry) = entry("annotations.") {
            return Some(Self::Annotation(entry));
        }
        Self::NAMED.into_iter().find(|field| field.name() == name)
    }

    /// Its name in a mapping.
    pub(super) fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Fingerprint => "fingerprint",
            Self::Title => "title",
            Self::Description => "description",
            Self::Status => "status",
            Self::Severity => "severity",
            Self::Service => "service",
            Self::Host => "host",
            Self::Url => "url",
            Self::StartedAt => "started_at",
            Self::EndedAt => "ended_at",
            Self::ObservedAt => "observed_at",
            Self::GroupingKey => "grouping_key",
            Self::Labels => "labels",
            Self::Annotations => "annotations",
            Self::Label(name) => return Cow::Owned(format!("labels.{name}")),
            Self::Annotation(name) => return Cow::Owned(format!("annotations.{name}")),
        })
    }

    /// What people call it, most telling first, in lower case and without `_` or `-`.
    pub(super) fn usual_names(&self) -> &'static [&'static str] {
        match self {
            Self::Fingerprint => &[
                "fingerprint",
                "dedupkey",
                "alertkey",
                "incidentkey",
                "alertid",
                "incidentid",
                "issueid",
                "alias",
                "key",
                "monitorid",
                "checkid",
                "id",
            ],
            Self::Title => &[
                "title",
                "alertname",
                "alerttitle",
                "rulename",
                "summary",
                "subject",
                "headline",
                "name",
                "monitorname",
                "checkname",
                "message",
                "msg",
                "text",
            ],
            Self::Description => {
                &["description", "message", "body", "details", "msg", "text", "reason", "output"]
            }
            Self::Status => &[
                "status",
                "state",
                "alertstatus",
                "alertstate",
                "eventaction",
                "eventtype",
                "transition",
                "alerttransition",
                "action",
                "event",
            ],
            Self::Severity => &["severity", "priority", "level", "urgency", "criticality", "alerttype"],
            Self::Service => &["service", "servicename", "application", "app", "component", "project"],
            Self::Host => &["host", "hostname", "instance", "node", "server", "device"],
            Self::Url => {
                &["url", "link", "alerturl", "incidenturl", "htmlurl", "permalink", "href", "dashboardurl"]
            }
            Self::StartedAt => &[
                "startedat",
                "startsat",
                "starttime",
                "triggeredat",
                "firedat",
                "openedat",
                "createdat",
                "since",
            ],
            Self::EndedAt => &["endedat", "endsat", "endtime", "resolvedat", "closedat", "recoveredat"],
            Self::ObservedAt => &["observedat", "updatedat", "eventtime", "timestamp", "time"],
            Self::GroupingKey => &["groupingkey", "groupkey", "aggregationkey"],
            Self::Labels => &["labels", "tags"],
            Self::Annotations => &["annotations", "details", "customdetails"],
            Self::Label(_) | Self::Annotation(_) => &[],
        }
    }

    /// Whether `value` can be what this field means.
    fn understands(&self, value: &Value) -> bool {
        match self {
            Self::Status => readable(value).is_some_and(|word| words::status(&word).is_some()),
            Self::Severity => readable(value).is_some_and(|word| Severity::from_common_word(&word).is_some()),
            Self::StartedAt | Self::EndedAt | Self::ObservedAt => rfc3339_or_epoch(value).is_some(),
            Self::Labels => says_something(value),
            Self::Annotations => value.is_object() && says_something(value),
            Self::Service | Self::Host => readable(value).is_some(),
            _ => !value.is_object() && readable(value).is_some(),
        }
    }

    /// Whether `value`, a word and no sentence, is taken under the usual name `name` when nothing better is found: a
    /// status or severity in a word that is not known is still one when its name says so.
    fn tolerates(&self, name: &str, value: &Value) -> bool {
        let names: &[&str] = match self {
            Self::Status => &["status", "state", "alertstatus", "alertstate"],
            Self::Severity => &["severity", "priority"],
            _ => return false,
        };
        names.contains(&name) && readable(value).is_some_and(|word| word.chars().count() <= WORD_CHARS_MAX)
    }
}

/// Longest text that is taken for a word.
const WORD_CHARS_MAX: usize = 40;

/// Where senders like to put the alert itself when the body is an envelope.
const ENVELOPES: [&str; 5] = ["alert", "incident", "event", "data", "payload"];

/// What `field` is in `item` by its usual names, whatever their case, in the item itself or in the object in it that is
/// called `alert`, `incident`, `event`, `data` or `payload`. A body that is only a text is a title.
pub(super) fn find_usual<'v>(field: &Field, item: &'v Value<'v>) -> Option<Found<'v>> {
    if item.as_str().is_some() {
        let is_title = *field == Field::Title && readable(item).is_some();
        return is_title.then_some(Found { path: Cow::Borrowed(""), value: Cow::Borrowed(item), said: None });
    }
    let envelopes = ENVELOPES.iter().filter_map(|name| item.get(name).map(|inner| (*name, inner)));
    let mut tolerated = None;
    for (envelope, object) in std::iter::once(("", item)).chain(envelopes) {
        for name in field.usual_names() {
            for (member, value) in object.pairs().iter().filter(|(member, _)| words::is_called(member, name))
            {
                let found =
                    || Found { path: path(envelope, member), value: Cow::Borrowed(value), said: None };
                if field.understands(value) {
                    return Some(found());
                }
                if tolerated.is_none() && field.tolerates(name, value) {
                    tolerated = Some(found());
                }
            }
        }
    }
    tolerated
}

fn path<'v>(envelope: &'static str, member: &'v str) -> Cow<'v, str> {
    if envelope.is_empty() { Cow::Borrowed(member) } else { Cow::Owned(format!("{envelope}.{member}")) }
}
