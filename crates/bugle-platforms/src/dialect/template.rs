//! A body of the destination's own making: JSON whose strings hold placeholders such as `{{incident.title}}`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Dialect, Notice, Outbound, RenderError, Wishes, document, headers,
    placeholder::{Part, Scope, parts},
    standard_webhooks::{INCLUDE_RAW, SECRET_NEEDED, include_raw},
};
use crate::{
    scheme::{Hmac, Scheme},
    source::Setting,
};

/// Renders the destination's template, or, without one, the document of Standard Webhooks.
///
/// A string that is one placeholder becomes its value in its own type: `"{{incident.labels}}"` becomes an object, and
/// `"{{incident.owner}}"` may become `null`. In a longer string, what is missing or `null` becomes nothing.
#[derive(Debug, Clone, Copy)]
pub struct Template;

/// Largest template, as compact JSON.
const BYTES_MAX: usize = 64 * 1024;
/// Deepest template.
const DEPTH_MAX: usize = 32;
/// The header of the signature, unless the setting `signature_header` names another.
const SIGNATURE_HEADER: &str = "X-Bugle-Signature";

impl Dialect for Template {
    fn slug(&self) -> &'static str {
        "template"
    }

    fn title(&self) -> &'static str {
        "Template"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            INCLUDE_RAW,
            Setting {
                name: "signature",
                choices: &["sha256", "none"],
                doc: "`sha256` (default): the body's HMAC-SHA256 is sent as `sha256=<hex>`, when there is a secret that no placeholder uses. `none`: nothing is signed.",
            },
            Setting {
                name: "signature_header",
                choices: &[],
                doc: "The header that carries the signature. `X-Bugle-Signature` by default.",
            },
        ]
    }

    fn check(&self, wishes: &Wishes<'_>) -> Result<(), String> {
        let include_raw = include_raw(wishes.settings)?;
        let header = signature_header(wishes.settings)?;
        let scheme = self.signing(wishes);
        headers::check(wishes.headers, if scheme.is_some() { std::slice::from_ref(&header) } else { &[] })?;
        if let Some(template) = wishes.template {
            check_template(template, include_raw)?;
        }
        match (wishes.secret, scheme) {
            (None, _) if uses_secret(wishes) => Err(SECRET_NEEDED.into()),
            (Some(secret), Some(scheme)) => scheme.check_secret(secret).map_err(|error| error.to_string()),
            (Some(secret), None) if headers::use_secret(wishes.headers) => {
                Scheme::Bearer.check_secret(secret).map_err(|error| error.to_string())
            }
            _ => Ok(()),
        }
    }

    fn render(&self, notice: &Notice<'_>, wishes: &Wishes<'_>) -> Result<Option<Outbound>, RenderError> {
        let include_raw = include_raw(wishes.settings).map_err(RenderError)?;
        let scope = Scope::new(notice, wishes.secret, include_raw);
        let body = match wishes.template {
            Some(template) => render(template, &scope, DEPTH_MAX)?.to_string().into_bytes(),
            None => document::body(notice, include_raw)?,
        };
        let mut outbound = headers::request(body, wishes.headers, &scope)?;
        outbound.body_holds_secret = wishes.template.is_some_and(holds_secret);
        Ok(Some(outbound))
    }

    fn scheme(&self, settings: &Map<String, Value>) -> Option<Scheme> {
        if settings.get("signature").and_then(Value::as_str) == Some("none") {
            return None;
        }
        let header = signature_header(settings).unwrap_or(SIGNATURE_HEADER).to_owned();
        Some(Scheme::Hmac(Hmac::sha256_hex(SIGNATURE_HEADER, "sha256=").in_header(Cow::Owned(header))))
    }

    fn signing(&self, wishes: &Wishes<'_>) -> Option<Scheme> {
        wishes.secret.filter(|_| !uses_secret(wishes)).and_then(|_| self.scheme(wishes.settings))
    }
}

fn signature_header(settings: &Map<String, Value>) -> Result<&str, String> {
    match settings.get("signature") {
        None | Some(Value::Null) => {}
        Some(Value::String(word)) if word == "sha256" || word == "none" => {}
        Some(_) => return Err("the setting `signature` is `sha256` or `none`".into()),
    }
    match settings.get("signature_header") {
        None | Some(Value::Null) => Ok(SIGNATURE_HEADER),
        Some(Value::String(name)) => headers::check_name(name).map(|()| name.as_str()),
        Some(_) => Err("the setting `signature_header` is a header's name".into()),
    }
}

fn check_template(template: &Value, include_raw: bool) -> Result<(), String> {
    let bytes = template.to_string().len();
    if bytes > BYTES_MAX {
        return Err(format!("the template has {bytes} bytes, and {BYTES_MAX} are allowed: make it smaller"));
    }
    every_text(template, DEPTH_MAX, &mut |text| {
        let parts = parts(text)?;
        if !include_raw && parts.iter().any(Part::is_raw) {
            return Err("`{{alert.raw}}` is only there with the setting `include_raw`: set it to true".into());
        }
        Ok(())
    })
}

/// Visits every string of a template that placeholders may stand in.
fn every_text(
    value: &Value,
    depth_left: usize,
    visit: &mut dyn FnMut(&str) -> Result<(), String>,
) -> Result<(), String> {
    match value {
        Value::String(text) => return visit(text),
        Value::Array(_) | Value::Object(_) if depth_left == 0 => {
            return Err(format!("the template is nested deeper than {DEPTH_MAX} levels: make it flatter"));
        }
        Value::Array(items) => {
            items.iter().try_for_each(|item| every_text(item, depth_left - 1, visit))?;
        }
        Value::Object(fields) => {
            fields.values().try_for_each(|field| every_text(field, depth_left - 1, visit))?;
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

pub(super) fn uses_secret(wishes: &Wishes<'_>) -> bool {
    headers::use_secret(wishes.headers) || wishes.template.is_some_and(holds_secret)
}

fn holds_secret(template: &Value) -> bool {
    let mut found = false;
    let visited = every_text(template, DEPTH_MAX, &mut |text| {
        found |= parts(text).is_ok_and(|parts| parts.iter().any(Part::is_secret));
        Ok(())
    });
    found || visited.is_err()
}

fn render(template: &Value, scope: &Scope<'_>, depth_left: usize) -> Result<Value, RenderError> {
    match template {
        Value::String(text) => scope.leaf(text),
        Value::Array(_) | Value::Object(_) if depth_left == 0 => Err(RenderError(format!(
            "the template is nested deeper than {DEPTH_MAX} levels: make it flatter"
        ))),
        Value::Array(items) => items.iter().map(|item| render(item, scope, depth_left - 1)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| Ok((name.clone(), render(field, scope, depth_left - 1)?)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(template.clone()),
    }
}
