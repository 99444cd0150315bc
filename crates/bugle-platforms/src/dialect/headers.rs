//! The headers that a destination asks for.

use std::collections::BTreeMap;

use bugle_model::limits;

use super::{
    Outbound, RenderError,
    placeholder::{Scope, parts},
};
use crate::scheme::is_credential_header;

/// Headers that belong to the connection or to the message's frame, which the HTTP client writes.
const REFUSED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether these headers can be sent; `reserved` are those that the dialect writes itself, in lower case.
pub(super) fn check(headers: &BTreeMap<String, String>, reserved: &[&str]) -> Result<(), String> {
    if headers.len() > limits::HEADERS_MAX {
        return Err(format!("{} headers are too many: {} are allowed", headers.len(), limits::HEADERS_MAX));
    }
    for (name, value) in headers {
        check_name(name)?;
        if reserved.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            return Err(format!("the header `{name}` is written by Bugle: remove it"));
        }
        if value.chars().any(|character| character.is_control() && character != '\t') {
            return Err(format!(
                "the header `{name}` holds a line break or another control character: remove it"
            ));
        }
        if value.len() > limits::HEADER_VALUE_BYTES_MAX {
            return Err(format!(
                "the header `{name}` is longer than {} bytes: shorten it",
                limits::HEADER_VALUE_BYTES_MAX
            ));
        }
        parts(value).map_err(|message| format!("the header `{name}`: {message}"))?;
    }
    Ok(())
}

/// Whether `name` is a header's name, and one that may be set.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
        let shown: String = name.escape_debug().take(60).collect();
        return Err(format!("`{shown}` is not a header's name: use letters, digits and hyphens"));
    }
    if REFUSED.iter().any(|refused| refused.eq_ignore_ascii_case(name)) {
        return Err(format!(
            "the header `{name}` belongs to the connection and is written by Bugle: remove it"
        ));
    }
    Ok(())
}

/// Whether any of these headers holds the secret.
pub(super) fn use_secret(headers: &BTreeMap<String, String>) -> bool {
    headers.values().any(|value| holds_secret(value))
}

fn holds_secret(value: &str) -> bool {
    parts(value).is_ok_and(|parts| parts.iter().any(super::placeholder::Part::is_secret))
}

/// A JSON request with these headers. Line breaks that come in by a placeholder become spaces, so that no alert's title
/// can add a header.
pub(super) fn request(
    body: Vec<u8>,
    headers: &BTreeMap<String, String>,
    scope: &Scope<'_>,
) -> Result<Outbound, RenderError> {
    let mut outbound = Outbound { body, ..Outbound::default() };
    if !headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        outbound.headers.push(("content-type".into(), "application/json".into()));
    }
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        let mut rendered =
            scope.text(value)?.replace(|character: char| character.is_control() && character != '\t', " ");
        bugle_model::signal::cut(&mut rendered, limits::HEADER_VALUE_BYTES_MAX);
        if holds_secret(value) || is_credential_header(name) {
            outbound.secret_headers.push(lower.clone());
        }
        outbound.headers.push((lower, rendered));
    }
    Ok(outbound)
}
