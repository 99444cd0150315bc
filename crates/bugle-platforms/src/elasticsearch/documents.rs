//! The JSON documents in a body.
//!
//! Watcher calls its body `text/plain` and Kibana its own a form unless their authors say otherwise, templates put
//! documents one after the other without anything between, and JSON into strings of JSON: so the text decides.

use crate::{
    form,
    json::{self, Member, Value},
    source::DecodeError,
};

/// The documents, at least one. A list counts as the documents in it.
pub(super) fn of(body: &[u8]) -> Result<Vec<Value<'_>>, DecodeError> {
    let values = match form::document(body, &["body", "payload", "json"]) {
        Some(document) => vec![document],
        None => json::stream(body)?,
    };
    let mut documents = Vec::new();
    for value in values {
        match unquoted(value) {
            Value::Array(items) => documents.extend(items.into_iter().map(unquoted)),
            value => documents.push(value),
        }
    }
    if documents.is_empty() {
        return Err(DecodeError::NotUnderstood(
            "the body is an empty list: send one document for each alert".into(),
        ));
    }
    Ok(documents)
}

/// How deep strings are looked into for JSON.
const OPENED_DEPTH_MAX: usize = 4;

/// The document with JSON in place of strings that hold JSON, out of its `webhook_body` where it has one, and with the
/// names that the connector of another product gives to Kibana's three objects put back.
pub(super) fn opened<'a>(document: &Value<'a>) -> Value<'a> {
    let inner = document.get("webhook_body").cloned().map(unquoted).filter(Value::is_object);
    opened_to(inner.as_ref().unwrap_or(document), OPENED_DEPTH_MAX)
}

fn opened_to<'a>(value: &Value<'a>, depth: usize) -> Value<'a> {
    if depth == 0 {
        return value.clone();
    }
    match value {
        Value::String(text) => embedded(text).unwrap_or_else(|| value.clone()),
        Value::Array(items) => Value::Array(items.iter().map(|item| opened_to(item, depth - 1)).collect()),
        Value::Object(members) => {
            let open = |(name, value): &Member<'a>| {
                let name = match name.as_ref() {
                    "alert_info" => "alert".into(),
                    "rule_info" => "rule".into(),
                    "context_info" => "context".into(),
                    _ => name.clone(),
                };
                (name, opened_to(value, depth - 1))
            };
            Value::Object(members.iter().map(open).collect())
        }
        other => other.clone(),
    }
}

/// Whether a variable was left as its template has it, as by the connector's own test.
pub(super) fn is_unrendered(document: &Value) -> bool {
    let is_variable = |value: &Value| {
        value.as_str().is_some_and(|text| text.trim().starts_with("{{") && text.trim().ends_with("}}"))
    };
    let within =
        |(_, value): &Member| is_variable(value) || value.pairs().iter().any(|(_, inner)| is_variable(inner));
    document.pairs().iter().any(within)
}

fn unquoted(value: Value<'_>) -> Value<'_> {
    let inner = value.as_str().and_then(embedded);
    inner.unwrap_or(value)
}

/// The object or list that a string holds.
fn embedded(text: &str) -> Option<Value<'static>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    json::parse(text.as_bytes()).ok().map(Value::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_found_however_they_are_wrapped() {
        for (body, expected) in [
            (r#"{"a":1}"#, &[r#"{"a":1}"#][..]),
            (r#"{"a":1}{"a":2}"#, &[r#"{"a":1}"#, r#"{"a":2}"#]),
            (r#"[{"a":1},"{\"a\":2}"]"#, &[r#"{"a":1}"#, r#"{"a":2}"#]),
            (r#""{\"a\":1}""#, &[r#"{"a":1}"#]),
            ("body=%7B%22a%22%3A1%7D", &[r#"{"a":1}"#]),
        ] {
            let found: Vec<String> = of(body.as_bytes()).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{body}");
        }
        for body in ["", "[]", "{\"a\": }"] {
            assert!(of(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn json_within_strings_is_opened_and_other_text_is_not() {
        for (body, expected) in [
            (r#"{"x":"{\"y\":[1]}","z":"[object Object]"}"#, r#"{"x":{"y":[1]},"z":"[object Object]"}"#),
            (r#"{"webhook_body":{"alert_info":"{\"id\":\"a\"}"}}"#, r#"{"alert":{"id":"a"}}"#),
            (r#"{"webhook_body":"text"}"#, r#"{"webhook_body":"text"}"#),
        ] {
            let document = json::parse(body.as_bytes()).unwrap();
            assert_eq!(opened(&document).to_string(), expected, "{body}");
        }
    }
}
