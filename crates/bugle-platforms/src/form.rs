//! Bodies of HTML forms, which some senders use to carry JSON or its fields.

use crate::json::{self, Value};

/// The document in a form: the JSON in the first of `wrappers` that is a field, else the fields as an object of strings.
/// `None` when the body is no form, which is decided by its text and not by its content type.
pub(crate) fn document<'a>(body: &'a [u8], wrappers: &[&str]) -> Option<Value<'a>> {
    let body = body.trim_ascii();
    if !body.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'_')) {
        return None;
    }
    let text = str::from_utf8(body).ok()?;
    if !text.contains('=') || text.contains(['\n', ' ', '{', '"']) {
        return None;
    }
    let mut fields = Vec::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        if value.is_empty() && name.starts_with('{') {
            return json::parse(name.as_bytes()).ok().map(Value::into_owned);
        }
        if wrappers.contains(&name.as_ref())
            && let Ok(inner @ (Value::Object(_) | Value::Array(_))) = json::parse(value.as_bytes())
        {
            return Some(inner.into_owned());
        }
        fields.push((name, Value::String(value)));
    }
    Some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_document_whatever_the_layout() {
        for (body, expected) in [
            ("payload=%7B%22a%22%3A+1%7D", Some(r#"{"a":1}"#)),
            ("a=1&b=two+words&c=", Some(r#"{"a":"1","b":"two words","c":""}"#)),
            ("%7B%22a%22%3A1%7D=", Some(r#"{"a":1}"#)),
            ("payload=not+json&x=1", Some(r#"{"payload":"not json","x":"1"}"#)),
            (r#"{"a": "b=c"}"#, None),
            ("just some words = none", None),
            ("", None),
        ] {
            let found = document(body.as_bytes(), &["payload"]).map(|value| value.to_string());
            assert_eq!(found.as_deref(), expected, "{body}");
        }
    }
}
