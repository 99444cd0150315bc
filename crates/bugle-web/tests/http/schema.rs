//! Holds answers against the OpenAPI document: what it does not describe must not be answered, what it requires must be.

use serde_json::Value;

/// Fails unless the document describes this answer.
#[track_caller]
pub fn check(method: &str, path: &str, status: u16, answer: &Value) {
    let document = bugle_web::openapi_document();
    let path = path.split('?').next().unwrap();
    let paths = document["paths"].as_object().unwrap();
    let fits = |pattern: &str| {
        let (pattern, given): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
        pattern.len() == given.len() && pattern.iter().zip(&given).all(|(p, g)| p == g || p.starts_with('{'))
    };
    let described =
        paths.get(path).or_else(|| paths.iter().find(|(pattern, _)| fits(pattern)).map(|(_, it)| it));
    let Some(operation) = described.and_then(|item| item.get(method.to_ascii_lowercase())) else {
        assert!(status >= 400, "{method} {path} is not in the document and answered {status}");
        return;
    };
    let responses = &operation["responses"];
    let response = responses.get(status.to_string()).unwrap_or_else(|| {
        assert!(status >= 400, "{method} {path} answered {status}, which the document does not know");
        &responses["default"]
    });
    if let Some(schema) = response["content"]["application/json"].get("schema") {
        fit(&document, schema, answer, &format!("{method} {path} {status}"));
    }
}

fn fit(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = document.pointer(name.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{name}"));
        return fit(document, target, value, place);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        assert!(words.contains(value), "{place}: {value} is not one of {words:?}");
    }
    if let Some(kinds) = schema.get("type") {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let is = |word: &Value| word == kind || (word == "number" && kind == "integer");
        assert!(
            is(kinds) || kinds.as_array().is_some_and(|all| all.iter().any(is)),
            "{place}: {value} is no {kinds}"
        );
    }
    if let (Some(schema), Some(items)) = (schema.get("items"), value.as_array()) {
        for item in items {
            fit(document, schema, item, &format!("{place}[]"));
        }
    }
    if let (Some(known), Some(fields)) =
        (schema.get("properties").and_then(Value::as_object), value.as_object())
    {
        let is_open = schema.get("additionalProperties") == Some(&Value::Bool(true));
        for (name, field) in fields {
            match known.get(name) {
                Some(schema) => fit(document, schema, field, &format!("{place}.{name}")),
                None => assert!(is_open, "{place}: `{name}` is not in the document"),
            }
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            assert!(fields.contains_key(name.as_str().unwrap()), "{place}: {name} is missing");
        }
    }
}
