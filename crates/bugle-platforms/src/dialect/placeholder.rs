//! `{{incident.title}}`: what may stand in a template and in headers, and what it becomes.
//!
//! A template is rendered in its parsed leaves and never as text, so that no title, however it is spelled, can change the
//! shape of a body.

use std::cell::{Cell, OnceCell};

use serde_json::{Map, Value};

use super::{Notice, RenderError, document};

/// What a placeholder may begin with.
const ROOTS: &[&str] = &["incident", "event", "alert", "api_token", "secret"];
/// Most bytes that all placeholders of one request may become together.
const RENDERED_BYTES_MAX: usize = 1024 * 1024;

/// A piece of a text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// As it stands.
    Text(&'a str),
    /// The steps to a value: `incident`, `title`.
    Path(Vec<&'a str>),
}

impl Part<'_> {
    /// Whether it is the destination's secret.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Path(steps) if matches!(steps.first(), Some(&("api_token" | "secret"))))
    }

    /// Whether it is something the vendor sent, as it was sent.
    pub(super) fn is_raw(&self) -> bool {
        matches!(self, Self::Path(steps) if steps.starts_with(&["alert", "raw"]))
    }
}

/// Takes a text apart. The error says what is wrong and what is known.
pub(super) fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        let Some((inside, behind)) = after.split_once("}}") else {
            return Err(format!("`{}` holds `{{{{` without `}}}}` after it", shortened(text)));
        };
        parts.push(Part::Path(path(inside.trim())?));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// `incident.labels["kubernetes.io/name"]`, `alert.links[0].url` or `alert.links.0.url`.
fn path(text: &str) -> Result<Vec<&str>, String> {
    let broken = || {
        format!(
            "`{{{{{}}}}}` is not a placeholder: write a path such as `{{{{incident.title}}}}` or `{{{{incident.labels[\"a.b\"]}}}}`",
            shortened(text)
        )
    };
    let mut steps = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(['.', '[', ']', '"', '{', '}', ' ']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(end).ok_or_else(broken)?;
        if name.is_empty() {
            return Err(broken());
        }
        steps.push(name);
        rest = behind;
        while let Some(inside) = rest.strip_prefix('[') {
            let (step, behind) = match inside.strip_prefix('"') {
                Some(quoted) => quoted.split_once("\"]").ok_or_else(broken)?,
                None => inside.split_once(']').ok_or_else(broken)?,
            };
            if step.is_empty() {
                return Err(broken());
            }
            steps.push(step);
            rest = behind;
        }
        if rest.is_empty() {
            break;
        }
        rest = rest.strip_prefix('.').ok_or_else(broken)?;
    }
    let root = steps.first().copied().unwrap_or_default();
    if !ROOTS.contains(&root) {
        return Err(format!(
            "`{{{{{}}}}}` begins with `{}`, which is not known: placeholders begin with {}",
            shortened(text),
            shortened(root),
            ROOTS.join(", ")
        ));
    }
    if matches!(root, "api_token" | "secret") && steps.len() > 1 {
        return Err(format!("`{{{{{root}}}}}` has no fields: write it alone"));
    }
    Ok(steps)
}

fn shortened(text: &str) -> String {
    let mut text = text.to_owned();
    bugle_model::signal::cut(&mut text, 80);
    text
}

/// What placeholders stand for.
pub(super) struct Scope<'a> {
    notice: &'a Notice<'a>,
    secret: Option<&'a str>,
    include_raw: bool,
    /// Made when the first placeholder asks: most requests have none.
    roots: OnceCell<Result<Map<String, Value>, RenderError>>,
    /// Bytes that may still be written.
    budget: Cell<usize>,
}

impl<'a> Scope<'a> {
    pub(super) const fn new(notice: &'a Notice<'a>, secret: Option<&'a str>, include_raw: bool) -> Self {
        Self { notice, secret, include_raw, roots: OnceCell::new(), budget: Cell::new(RENDERED_BYTES_MAX) }
    }

    fn roots(&self) -> Result<&Map<String, Value>, RenderError> {
        let roots = self.roots.get_or_init(|| roots(self.notice, self.include_raw));
        roots.as_ref().map_err(Clone::clone)
    }

    /// The value of a leaf: of a lone placeholder its value in its own type, of anything else text.
    pub(super) fn leaf(&self, text: &str) -> Result<Value, RenderError> {
        let parts = parts(text).map_err(RenderError)?;
        if let [Part::Path(steps)] = parts.as_slice() {
            let value = self.value(steps)?;
            self.spend(value.to_string().len())?;
            return Ok(value);
        }
        self.join(&parts).map(Value::String)
    }

    /// The text with each placeholder's text in its place; what is missing or `null` is nothing.
    pub(super) fn text(&self, text: &str) -> Result<String, RenderError> {
        self.join(&parts(text).map_err(RenderError)?)
    }

    fn join(&self, parts: &[Part<'_>]) -> Result<String, RenderError> {
        let mut joined = String::new();
        for part in parts {
            let piece = match part {
                Part::Text(text) => (*text).to_owned(),
                Part::Path(steps) => match self.value(steps)? {
                    Value::Null => String::new(),
                    Value::String(text) => text,
                    other => other.to_string(),
                },
            };
            self.spend(piece.len())?;
            joined.push_str(&piece);
        }
        Ok(joined)
    }

    fn value(&self, steps: &[&str]) -> Result<Value, RenderError> {
        let Some((root, rest)) = steps.split_first() else { return Ok(Value::Null) };
        if matches!(*root, "api_token" | "secret") {
            return Ok(self.secret.into());
        }
        let found = self.roots()?.get(*root).and_then(|value| {
            rest.iter().try_fold(value, |value, step| match value {
                Value::Array(items) => items.get(step.parse::<usize>().ok()?),
                _ => value.get(*step),
            })
        });
        Ok(found.cloned().unwrap_or_default())
    }

    fn spend(&self, bytes: usize) -> Result<(), RenderError> {
        let left = self.budget.get().checked_sub(bytes).ok_or_else(|| {
            RenderError("the rendered request is larger than 1 MiB: use fewer or smaller placeholders".into())
        })?;
        self.budget.set(left);
        Ok(())
    }
}

fn roots(notice: &Notice<'_>, include_raw: bool) -> Result<Map<String, Value>, RenderError> {
    let mut roots = Map::new();
    roots.insert("event".into(), document::event(notice)?);
    roots.insert("incident".into(), document::incident(notice)?);
    if let Some(alert) = notice.event.alert.as_deref() {
        let mut fields = document::alert_fields(alert)?;
        if let Some(raw) = alert.signal.raw.as_ref().filter(|_| include_raw) {
            let raw = serde_json::from_str(raw.get()).unwrap_or(Value::Null);
            fields.insert("raw".into(), raw);
        }
        roots.insert("alert".into(), Value::Object(fields));
    }
    Ok(roots)
}
