//! Styles, scripts and symbols: files of `assets/`, part of the binary. Their address holds a hash of what is in them, so
//! that a browser keeps them for good and never has an old one.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::RustEmbed;

use crate::error::ApiError;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// Hex digits of the hash in an address: enough to tell one version from another.
const VERSION_DIGITS: usize = 12;
/// A worker is bound by the policy of its own file, and ours follows the stream.
const POLICY: &str = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'";
const FOREVER: &str = "public, max-age=31536000, immutable";

static ADDRESSES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let address = |name: &str| Some(format!("/assets/{}/{name}", version(&Files::get(name)?)));
    Files::iter().filter_map(|name| Some((name.to_string(), address(&name)?))).collect()
});

fn version(file: &rust_embed::EmbeddedFile) -> String {
    let mut digits = hex::encode(file.metadata.sha256_hash());
    digits.truncate(VERSION_DIGITS);
    digits
}

/// Where an asset is. Templates call it.
pub(crate) fn address(name: &str) -> &'static str {
    ADDRESSES.get(name).map_or("/assets/none", String::as_str)
}

/// `GET /assets/{version}/{name}`.
pub(super) async fn serve(Path((asked, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some((file, kind)) = Files::get(&name).zip(kind(&name)) else {
        return ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is no such file").into_response();
    };
    let version = version(&file);
    // An older page asks for what it knows; it gets what there is, and asks again next time.
    let caching = if asked == version { FOREVER } else { "no-cache" };
    let tag = format!("\"{version}\"");
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        file.data.into_owned().into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.extend(HeaderValue::try_from(tag).ok().map(|tag| (header::ETAG, tag)));
    response
}

fn kind(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "txt" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_an_address_and_a_kind() {
        for name in Files::iter() {
            assert!(kind(&name).is_some(), "{name}");
            assert!(address(&name).ends_with(&format!("/{name}")), "{name}");
        }
        for name in ["bugle.css", "bugle.js", "live.js", "icons.svg", "htmx.min.js"] {
            assert_ne!(address(name), "/assets/none", "{name}");
        }
    }
}
