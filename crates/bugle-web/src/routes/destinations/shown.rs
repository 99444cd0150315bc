//! What may be shown of a destination's headers, and how what was hidden comes back unharmed.

use std::collections::BTreeMap;

use bugle_model::Destination;

use crate::error::ApiError;

/// Stands in answers for what is not shown.
pub(super) const HIDDEN: &str = "[hidden]";

/// Headers whose values are never secret.
const HARMLESS: &[&str] = &["accept", "accept-language", "content-type", "user-agent"];
/// Words that stand before a credential in `Authorization`, and are none.
const CREDENTIAL_WORDS: &[&str] = &["basic", "bearer", "geniekey", "splunk", "token"];

/// Headers with the values hidden that may be secret.
pub(crate) fn headers(headers: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), if may_show(name, value) { value.as_str() } else { HIDDEN }))
        .collect()
}

fn may_show(name: &str, value: &str) -> bool {
    HARMLESS.contains(&name.to_ascii_lowercase().as_str()) || is_only_placeholders(value)
}

/// Whether nothing is left of a value but placeholders and the word before a credential.
fn is_only_placeholders(value: &str) -> bool {
    let mut rest = value;
    let mut literal = String::new();
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((_, behind)) = after.split_once("}}") else { return false };
        literal.push_str(before);
        literal.push(' ');
        rest = behind;
    }
    literal.push_str(rest);
    literal.split_whitespace().all(|word| CREDENTIAL_WORDS.contains(&word.to_ascii_lowercase().as_str()))
}

/// Puts back what an answer had hidden, for a caller who changes one field of what was shown and sends it all.
pub(super) fn restore(new: &mut BTreeMap<String, String>, known: &Destination) -> Result<(), ApiError> {
    for (name, value) in new.iter_mut().filter(|(_, value)| value.as_str() == HIDDEN) {
        let old =
            known.headers.iter().find(|(old, _)| old.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let old = old.ok_or_else(|| {
            let message = format!(
                "`{name}` is `{HIDDEN}`, which only stands for a value that is stored: give the value"
            );
            ApiError::field("headers", message)
        })?;
        value.clone_from(old);
    }
    Ok(())
}

/// The URL to change to; `None` when it is the stored one, as it was shown.
pub(super) fn restore_url(new: Option<String>, known: &Destination) -> Result<Option<String>, ApiError> {
    match new {
        Some(url) if url == known.shown_url() => Ok(None),
        Some(url) if url.contains(HIDDEN) => {
            let message =
                format!("the URL holds `{HIDDEN}`: give it whole, or leave the field out to keep it");
            Err(ApiError::field("url", message))
        }
        url => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_secret_is_shown() {
        for (name, value, shown) in [
            ("Content-Type", "application/json", true),
            ("user-agent", "acme/1", true),
            ("Authorization", "Bearer {{api_token}}", true),
            ("X-Token", "{{ api_token }}", true),
            ("Authorization", "Bearer sk-live-1", false),
            ("Authorization", "Bearer {{api_token}}sk", false),
            ("X-Anything", "plain", false),
            ("X-Anything", "{{unclosed", false),
            ("X-Empty", "", true),
        ] {
            assert_eq!(may_show(name, value), shown, "{name}: {value}");
        }
    }
}
