//! One entry of a mapping: where a field comes from.

use std::{borrow::Cow, collections::BTreeMap};

use bugle_model::{Timestamp, signal::Labels};
use serde_json::Value as Json;

use crate::json::{Value, rfc3339_or_epoch};

/// Longest path; a longer one is a mistake.
const PATH_BYTES_MAX: usize = 512;
/// Most paths of one field, and most words of one `values`.
const CHOICES_MAX: usize = 100;

/// Where a field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    origin: Origin,
    /// What the sender's words become; a word that is not here stays as it is.
    values: BTreeMap<String, String>,
    /// What the field is when nothing is found.
    default: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// The same in every body.
    Const(String),
    /// The first of these paths that has something.
    Paths(Vec<String>),
    /// Never filled, not even by its usual names.
    Nothing,
}

/// A value that was found for a field, and where.
#[derive(Debug, Clone)]
pub(super) struct Found<'v> {
    /// Where it stood; empty for a constant.
    pub(super) path: Cow<'v, str>,
    /// What stands for the field: what stood there, or what `values` makes of it.
    pub(super) value: Cow<'v, Value<'v>>,
    /// The sender's own word, where `values` made another of it.
    pub(super) said: Option<String>,
}

impl Rule {
    /// Reads an entry: a path, a list of paths, `{"path": ..., "values": {...}, "default": ...}`, `{"const": ...}`, or
    /// `null` for a field that shall stay empty.
    pub(super) fn from_setting(field: &str, setting: &Json) -> Result<Self, String> {
        let plain = |origin| Self { origin, values: BTreeMap::new(), default: None };
        let entries = match setting {
            Json::Null => return Ok(plain(Origin::Nothing)),
            Json::String(_) | Json::Array(_) => return Ok(plain(Origin::Paths(paths(field, setting)?))),
            Json::Object(entries) => entries,
            _ => return Err(shape_of(field)),
        };
        if let Some(unknown) =
            entries.keys().find(|name| !matches!(name.as_str(), "path" | "const" | "values" | "default"))
        {
            return Err(format!(
                "the mapping of `{field}` has `{unknown}`, which is not known: use `path` (with `values` and `default`), or \
                 `const`"
            ));
        }
        let origin = match (entries.get("const"), entries.get("path")) {
            (Some(value), None) => Origin::Const(scalar(value).ok_or_else(|| shape_of(field))?),
            (None, Some(path)) => Origin::Paths(paths(field, path)?),
            _ => return Err(format!("the mapping of `{field}` needs either `path` or `const`")),
        };
        let default = match entries.get("default") {
            None | Some(Json::Null) => None,
            Some(value) => Some(scalar(value).ok_or_else(|| {
                format!("`default` in the mapping of `{field}` must be a text, a number or a boolean")
            })?),
        };
        Ok(Self { origin, values: words(field, entries.get("values"))?, default })
    }

    /// What the field is in `item`, a part of `document`; `None` when no path has anything, and there is no default.
    pub(super) fn find<'v>(&'v self, item: &'v Value<'v>, document: &'v Value<'v>) -> Option<Found<'v>> {
        let constant = |text: &'v str| Found {
            path: Cow::Borrowed(""),
            value: Cow::Owned(Value::String(text.into())),
            said: None,
        };
        let found = match &self.origin {
            Origin::Nothing => return None,
            Origin::Const(text) => Some(constant(text)),
            Origin::Paths(paths) => paths.iter().find_map(|path| {
                let value = lookup(path, item, document).filter(|value| says_something(value))?;
                Some(Found { path: Cow::Borrowed(path), value: Cow::Borrowed(value), said: None })
            }),
        };
        found.map(|found| self.translated(found)).or_else(|| self.default.as_deref().map(constant))
    }

    /// What stands at the first path that exists, whatever it is.
    pub(super) fn locate<'v>(&self, item: &'v Value<'v>, document: &'v Value<'v>) -> Option<&'v Value<'v>> {
        match &self.origin {
            Origin::Paths(paths) => paths.iter().find_map(|path| lookup(path, item, document)),
            Origin::Const(_) | Origin::Nothing => None,
        }
    }

    /// Where it looks, for messages.
    pub(super) fn shown(&self) -> String {
        match &self.origin {
            Origin::Nothing => "nothing".into(),
            Origin::Const(text) => format!("the constant `{text}`"),
            Origin::Paths(paths) => {
                paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(" or ")
            }
        }
    }

    /// The sender's word in the words of `values`: as it is written there, else whatever its case.
    fn translated<'v>(&'v self, found: Found<'v>) -> Found<'v> {
        let Some(word) = found.value.text().filter(|_| !self.values.is_empty()) else { return found };
        let word = word.trim();
        let ours = self.values.get(word).or_else(|| {
            self.values.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(word)).map(|(_, ours)| ours)
        });
        match ours {
            Some(ours) => Found {
                path: found.path,
                said: Some(word.to_owned()),
                value: Cow::Owned(Value::String(ours.as_str().into())),
            },
            None => found,
        }
    }
}

impl Found<'_> {
    /// The sender's own word.
    pub(super) fn own_word(&self) -> Option<String> {
        self.said.clone().or_else(|| self.text())
    }

    /// Its trimmed text; of an object, its `name`: `{"service": {"id": 7, "name": "billing"}}`.
    pub(super) fn text(&self) -> Option<String> {
        readable(&self.value)
    }

    /// The moment it tells.
    pub(super) fn moment(&self) -> Option<Timestamp> {
        rfc3339_or_epoch(&self.value)
    }

    /// Names and values: the members of an object, or the items of a list as `name:value`, `name=value` or
    /// `{"name": ..., "value": ...}`. What lies deeper is kept as JSON text.
    pub(super) fn labels(&self) -> Labels {
        match self.value.as_ref() {
            Value::Object(members) => members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.to_string(), flat(value)))
                .collect(),
            Value::Array(items) => items.iter().filter_map(label).collect(),
            other => other.text().iter().flat_map(|text| text.split(',')).filter_map(split_label).collect(),
        }
    }
}

/// The trimmed text of a scalar, or of an object's `name`.
pub(super) fn readable(value: &Value) -> Option<String> {
    let value = if value.is_object() { value.get("name")? } else { value };
    let text = value.text()?;
    let trimmed = text.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// Whether a value is more than `null`, a blank text, or an empty list or object.
pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        other => other.text().is_some_and(|text| !text.trim().is_empty()),
    }
}

fn flat(value: &Value) -> String {
    value.text().map_or_else(|| value.to_string(), str::to_owned)
}

fn label(item: &Value) -> Option<(String, String)> {
    if let Some(text) = item.as_str() {
        return split_label(text);
    }
    let name = item.text_at("name").or_else(|| item.text_at("key"))?;
    Some((name, item.get("value").map(flat).unwrap_or_default()))
}

fn split_label(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    let (name, value) = text.split_once([':', '=']).unwrap_or((text, ""));
    (!name.trim().is_empty()).then(|| (name.trim().to_owned(), value.trim().to_owned()))
}

/// What stands at `path`: from the document's root when it begins with `$`, else within the item.
fn lookup<'v>(path: &str, item: &'v Value<'v>, document: &'v Value<'v>) -> Option<&'v Value<'v>> {
    let (from, path) = match path.strip_prefix('$') {
        Some(rest) => (document, rest.strip_prefix('.').unwrap_or(rest)),
        None => (item, path),
    };
    from.at(path).or_else(|| if path.starts_with('/') { None } else { through_dotted_names(from, path) })
}

/// The same where names themselves hold dots, as in `labels.service.name`.
fn through_dotted_names<'v>(value: &'v Value<'v>, path: &str) -> Option<&'v Value<'v>> {
    value.get(path).or_else(|| {
        path.match_indices('.').find_map(|(dot, _)| {
            let (name, rest) = path.split_at_checked(dot)?;
            through_dotted_names(
                value.at(name).filter(|_| !name.contains('.')).or(value.get(name))?,
                rest.strip_prefix('.')?,
            )
        })
    })
}

fn paths(field: &str, setting: &Json) -> Result<Vec<String>, String> {
    let one = |value: &Json| match value.as_str() {
        Some(path) if path.len() <= PATH_BYTES_MAX => Ok(path.trim().to_owned()),
        Some(_) => Err(format!("a path in the mapping of `{field}` is longer than {PATH_BYTES_MAX} bytes")),
        None => Err(shape_of(field)),
    };
    match setting {
        Json::Array(list) if list.is_empty() || list.len() > CHOICES_MAX => {
            Err(format!("the mapping of `{field}` must list 1 to {CHOICES_MAX} paths"))
        }
        Json::Array(list) => list.iter().map(one).collect(),
        other => Ok(vec![one(other)?]),
    }
}

fn words(field: &str, setting: Option<&Json>) -> Result<BTreeMap<String, String>, String> {
    let wrong = || {
        format!(
            "`values` in the mapping of `{field}` must say what the sender's words become, such as {{\"ALARM\": \"firing\", \
             \"OK\": \"resolved\"}}"
        )
    };
    match setting {
        None | Some(Json::Null) => Ok(BTreeMap::new()),
        Some(Json::Object(entries)) if entries.len() <= CHOICES_MAX => entries
            .iter()
            .map(|(theirs, ours)| Ok((theirs.trim().to_owned(), scalar(ours).ok_or_else(wrong)?)))
            .collect(),
        Some(_) => Err(wrong()),
    }
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn shape_of(field: &str) -> String {
    format!(
        "the mapping of `{field}` must be a path (\"alert.name\" or \"/alert/name\"), a list of paths, {{\"path\": ..., \
         \"values\": {{...}}, \"default\": ...}}, or {{\"const\": ...}}"
    )
}
