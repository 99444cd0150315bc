//! What a mapping makes of a body, told so that a person can mend it.

use bugle_model::{Severity, Signal};
use serde::Serialize;
use serde_json::Map;

use super::{
    Mapping,
    field::Field,
    rule::{Found, Rule},
    words,
};
use crate::{
    json::{self, Value},
    source::Decoded,
};

/// Most alerts of a body whose fields are shown one by one.
const ITEMS_SHOWN_MAX: usize = 10;
/// Longest found value shown.
const SHOWN_CHARS_MAX: usize = 200;

/// What a mapping makes of a body.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CheckReport {
    /// Whether at least one signal came of it.
    pub understood: bool,
    /// Why nothing came of it, and what to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What a person should know of how it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// The fields that are mapped or were found, for each of the first alerts of the body.
    pub fields: Vec<FieldCheck>,
    /// What it says about alerts.
    pub signals: Vec<Signal>,
}

/// Where one field of one alert came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldCheck {
    /// Which alert of the body, from 0.
    pub item: usize,
    /// The field.
    pub field: String,
    /// Whether the mapping names it; else it was found by a usual name.
    pub mapped: bool,
    /// Where it was found, or was looked for.
    pub path: String,
    /// What was found there, after `values`; cut when it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Why it is not used as it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Tries the setting `mapping` of `settings` on a body.
pub fn check(settings: &Map<String, serde_json::Value>, body: &[u8]) -> CheckReport {
    let failed = |problem: String| CheckReport { problem: Some(problem), ..CheckReport::default() };
    let mapping = match Mapping::from_settings(settings) {
        Ok(mapping) => mapping,
        Err(problem) => return failed(problem),
    };
    let document = match json::parse(body) {
        Ok(document) => document,
        Err(problem) => return failed(problem.to_string()),
    };
    let items = mapping.items(&document).unwrap_or_default();
    let fields = items
        .iter()
        .take(ITEMS_SHOWN_MAX)
        .enumerate()
        .flat_map(|(position, item)| mapping.check_item(position, item, &document))
        .collect();
    match mapping.decode(&document) {
        Ok(Decoded { signals, ignored, remark, .. }) => CheckReport {
            understood: !signals.is_empty(),
            problem: ignored,
            remark,
            fields,
            signals: signals.into_iter().map(Signal::bounded).collect(),
        },
        Err(problem) => CheckReport { fields, ..failed(problem.to_string()) },
    }
}

impl Mapping {
    fn check_item(&self, position: usize, item: &Value, document: &Value) -> Vec<FieldCheck> {
        let named = Field::NAMED.iter().filter(|field| !self.rules.contains_key(field));
        self.rules
            .keys()
            .chain(named)
            .filter_map(|field| {
                let rule = self.rules.get(field);
                let found = self.find(field, item, document);
                if rule.is_none() && found.is_none() {
                    return None;
                }
                Some(check_field(position, field, rule, found))
            })
            .collect()
    }
}

fn check_field(item: usize, field: &Field, rule: Option<&Rule>, found: Option<Found<'_>>) -> FieldCheck {
    let looked_at = rule.map(Rule::shown).unwrap_or_default();
    let problem = match &found {
        None => Some(format!("nothing at {looked_at}")),
        Some(found) => problem_of(field, found),
    };
    let path = match &found {
        Some(found) if !found.path.is_empty() => found.path.to_string(),
        _ => looked_at,
    };
    let shown = found.map(|found| {
        let text = found.value.text().map_or_else(|| found.value.to_string(), str::to_owned);
        text.chars().take(SHOWN_CHARS_MAX).collect()
    });
    FieldCheck { item, field: field.name().into_owned(), mapped: rule.is_some(), path, found: shown, problem }
}

fn problem_of(field: &Field, found: &Found<'_>) -> Option<String> {
    let problem = match field {
        Field::Status if found.text().is_none_or(|word| words::status(&word).is_none()) => {
            "not a known status word, so it counts as firing: say with `values` what it means (firing, acknowledged, \
             updated, resolved)"
        }
        Field::Severity if found.text().is_none_or(|word| Severity::from_common_word(&word).is_none()) => {
            "not a known severity word, so the integration's default counts: say with `values` what it means (critical, \
             high, medium, low, info)"
        }
        Field::StartedAt | Field::EndedAt | Field::ObservedAt if found.moment().is_none() => {
            "not a time: an RFC 3339 text with its offset, or a count of seconds, milliseconds, microseconds or \
             nanoseconds since 1970, is needed"
        }
        Field::Url
            if !found.text().is_some_and(|url| url.starts_with("https://") || url.starts_with("http://")) =>
        {
            "not an http or https address, so it is left out"
        }
        Field::Labels | Field::Annotations if found.labels().is_empty() => "no names and values",
        Field::StartedAt | Field::EndedAt | Field::ObservedAt | Field::Labels | Field::Annotations => {
            return None;
        }
        _ if found.text().is_none() => "a text, a number or a boolean is needed: map it to something inside",
        _ => return None,
    };
    Some(problem.into())
}
