//! How senders that sign nothing prove themselves: what a person can put into a URL or a header on the vendor's side.
//!
//! The schemes themselves live in [`crate::scheme`]; here is only which of them such a platform offers.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::{scheme::Scheme, source::Setting};

/// The header that carries the secret when the settings name no other.
pub(crate) const TOKEN_HEADER: &str = "X-Bugle-Token";

/// The query parameter that carries the secret.
pub(crate) const TOKEN_PARAMETER: &str = "token";

/// The setting that [`unsigned`] reads.
pub(crate) const TOKEN_HEADER_SETTING: Setting = Setting {
    name: "token_header",
    choices: &[],
    doc: "The header in which the sender puts the secret. `X-Bugle-Token` by default.",
};

/// Basic, Bearer, the secret in a header of its own, and the secret in the query.
pub(crate) fn unsigned(settings: &Map<String, Value>) -> Vec<Scheme> {
    let name = match settings.get(TOKEN_HEADER_SETTING.name).and_then(Value::as_str) {
        Some(name) => Cow::Owned(name.trim().to_owned()),
        None => Cow::Borrowed(TOKEN_HEADER),
    };
    vec![Scheme::Basic, Scheme::Bearer, Scheme::Header { name }, Scheme::query(TOKEN_PARAMETER)]
}

/// Whether [`TOKEN_HEADER_SETTING`] names a header.
pub(crate) fn check_token_header(settings: &Map<String, Value>) -> Result<(), String> {
    check_header(settings, &TOKEN_HEADER_SETTING, "X-Bugle-Token")
}

/// Whether `setting`, where it is given, names a header, such as `example`.
pub(crate) fn check_header(
    settings: &Map<String, Value>,
    setting: &Setting,
    example: &str,
) -> Result<(), String> {
    let Some(value) = settings.get(setting.name) else { return Ok(()) };
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match value.as_str().map(str::trim) {
        Some(name) if !name.is_empty() && name.bytes().all(is_token) => Ok(()),
        _ => Err(format!("`{}` must be the name of an HTTP header, such as `{example}`", setting.name)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_token_header_must_be_a_header_name() {
        for (value, fine) in [
            (json!("X-Hub-Token"), true),
            (json!(" x-token "), true),
            (json!(""), false),
            (json!("two words"), false),
            (json!("colon:"), false),
            (json!(7), false),
        ] {
            let settings = Map::from_iter([("token_header".to_owned(), value.clone())]);
            assert_eq!(check_token_header(&settings).is_ok(), fine, "{value}");
        }
        assert_eq!(check_token_header(&Map::new()), Ok(()));
    }

    #[test]
    fn a_configured_header_takes_the_place_of_the_usual_one() {
        let settings = Map::from_iter([("token_header".to_owned(), json!(" X-Hub-Token "))]);
        assert!(unsigned(&settings).contains(&Scheme::header("X-Hub-Token")));
        assert!(!unsigned(&settings).contains(&Scheme::header(TOKEN_HEADER)));
        assert!(unsigned(&Map::new()).contains(&Scheme::header(TOKEN_HEADER)));
    }
}
