//! Reading a payload that was JSON until a variable was put into it: without quotes and without a value, or with quotes
//! that its value holds too.

use std::borrow::Cow;

use crate::json::{Member, Value};

/// Most fields read of one body.
const FIELDS_MAX: usize = 256;

/// The fields of a broken payload, when it is one of Datadog's: when it has a field whose name begins with `alert_`.
/// Objects within it are laid flat, and what has no value is `null`.
pub(super) fn fields(text: &str) -> Option<Value<'_>> {
    let mut fields: Vec<Member<'_>> = Vec::new();
    let mut rest = text;
    for _ in 0..FIELDS_MAX {
        let Some((name, after)) = next_name(rest) else { break };
        let (value, after) = next_value(after);
        if let Some(value) = value {
            fields.retain(|(known, _)| known != name);
            fields.push((name.into(), value));
        }
        rest = after;
    }
    fields.iter().any(|(name, _)| name.starts_with("alert_")).then_some(Value::Object(fields))
}

/// The next `"name":`, and what follows it.
fn next_name(text: &str) -> Option<(&str, &str)> {
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('"')?.1.split_once('"')?;
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if let Some(value) = after.trim_start().strip_prefix(':')
            && is_name
        {
            return Some((name, value.trim_start_matches([' ', '\t'])));
        }
        // The second quote may open the next name.
        rest = rest.split_once('"')?.1;
    }
}

/// The value at the beginning of `text`, and what follows it; no value where an object begins.
fn next_value(text: &str) -> (Option<Value<'_>>, &str) {
    if let Some(inside) = text.strip_prefix('"') {
        let end = closing_quote(inside);
        let value = inside.get(..end).unwrap_or(inside);
        return (Some(Value::String(unescaped(value))), inside.get(end + 1..).unwrap_or_default());
    }
    if let Some(inside) = text.strip_prefix('{') {
        return (None, inside);
    }
    if let Some(inside) = text.strip_prefix('[')
        && let Some((items, after)) = inside.split_once(']')
    {
        return (Some(Value::String(items.replace('"', "").into())), after);
    }
    let end = text.find([',', '}', '\n']).unwrap_or(text.len());
    let (value, after) = text.split_at_checked(end).unwrap_or((text, ""));
    let value = match value.trim() {
        "" => Value::Null,
        value => Value::String(value.into()),
    };
    (Some(value), after)
}

/// Where the string ends: at a quote after which a member or the object ends, since quotes may stand within it.
fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            let after = text.get(at + 1..).unwrap_or_default().trim_start();
            if after.is_empty()
                || after.starts_with('}')
                || after.strip_prefix(',').is_some_and(begins_member)
            {
                return at;
            }
        }
    }
    text.len()
}

fn begins_member(text: &str) -> bool {
    let text = text.trim_start();
    text.is_empty() || text.starts_with(['"', '}'])
}

fn unescaped(text: &str) -> Cow<'_, str> {
    match serde_json::from_str::<String>(&format!("\"{text}\"")) {
        Ok(text) => text.into(),
        Err(_) => text.replace("\\n", "\n").replace("\\\"", "\"").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive_what_broke_the_document() {
        for (body, expected) in [
            (r#"{"alert_id": , "alert_title": "Disk"}"#, Some(r#"{"alert_id":null,"alert_title":"Disk"}"#)),
            (
                r#"{"alert_title": "the "big" disk", "n": 7}"#,
                Some(r#"{"alert_title":"the \"big\" disk","n":"7"}"#),
            ),
            (
                "{\"alert_msg\": \"a\\nb\",\n \"tags\": [\"x:1\",\"y\"], \"o\": {\"p\": $Q\n}, \"alert_z\": \"é",
                Some(r#"{"alert_msg":"a\nb","tags":"x:1,y","p":"$Q","alert_z":"é"}"#),
            ),
            (r#"{"alert_id": "1", "alert_id": "2""#, Some(r#"{"alert_id":"2"}"#)),
            (r#"{"title": "Disk", "body": }"#, None),
            ("alert_id", None),
            ("", None),
        ] {
            assert_eq!(fields(body).map(|f| f.to_string()).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_hostile_body_costs_no_more_than_its_length() {
        let quotes = "\"".repeat(200_000);
        assert_eq!(fields(&quotes), None);
    }
}
