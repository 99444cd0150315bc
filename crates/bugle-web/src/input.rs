//! What handlers read from a request: path, query, page, JSON body. Each says exactly what is wrong.

use std::borrow::Cow;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use bugle_model::{Cursor, limits};
use bugle_store::PageRequest;
use http::{StatusCode, Uri, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, error::Category};
use url::form_urlencoded;

use crate::{app::App, body, error::ApiError, routes::Param};

/// The path's parameters.
pub(crate) struct PathOf<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(value) = Path::from_request_parts(parts, state).await.map_err(|_| {
            ApiError::new(StatusCode::BAD_REQUEST, "INVALID_PATH", "the path is not valid UTF-8 when decoded")
        })?;
        Ok(Self(value))
    }
}

/// Reads an id of a stored thing; what is no id of its kind names nothing that exists.
pub(crate) fn id<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::not_found(what, text))
}

/// The query's parameters, decoded.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self(pairs.map(|(name, value)| (Cow::into_owned(name), Cow::into_owned(value))).collect())
    }

    /// Refuses a parameter that the route does not know: a filter with a typing error must not list everything.
    pub(crate) fn only(&self, known: &[Param]) -> Result<(), ApiError> {
        let is_known = |name: &str| known.iter().any(|param| param.name == name);
        let Some((unknown, _)) = self.0.iter().find(|(name, _)| !is_known(name)) else { return Ok(()) };
        let shown: String = unknown.chars().take(60).collect();
        let names: Vec<_> = known.iter().map(|param| param.name).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(ApiError::parameter(
            &shown,
            format!("`{shown}` is not a parameter of this call: known are {known}"),
        ))
    }

    /// The last value given for `name`; an empty one counts as not given.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// The value of `name`, even an empty one.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every value of `name`: it may be repeated, and each may hold several with commas between.
    pub(crate) fn many<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.0.iter().filter(move |(known, _)| known == name);
        values.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|word| !word.is_empty())
    }

    /// Every value of `name`, whole: for text that may hold commas.
    pub(crate) fn every<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.0.iter().filter(move |(known, _)| known == name);
        values.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The value of `name`, read as one word of a list.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, ApiError> {
        self.one(name).map(|text| one_of(name, text, words)).transpose()
    }

    /// An id of another thing, to filter by.
    pub(crate) fn id<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, ApiError> {
        let parsed = self.one(name).map(str::parse).transpose();
        parsed.map_err(|error: T::Err| ApiError::parameter(name, error.to_string()))
    }

    /// Which page is asked for.
    pub(crate) fn page(&self) -> Result<PageRequest, ApiError> {
        let limit = match self.one("limit").map(str::parse::<u32>) {
            None => limits::PAGE_DEFAULT,
            Some(Ok(limit)) if (1..=limits::PAGE_MAX).contains(&limit) => limit,
            Some(_) => {
                let message = format!("`limit` is a whole number from 1 to {}", limits::PAGE_MAX);
                return Err(ApiError::parameter("limit", message));
            }
        };
        let cursor = self.one("cursor").map(str::parse::<Cursor>).transpose().map_err(|_| {
            let message = "this is not a cursor: give back `next_cursor` of the page before, as it was";
            ApiError::new(StatusCode::BAD_REQUEST, "INVALID_CURSOR", message)
        })?;
        Ok(PageRequest { cursor, limit })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self::of(&parts.uri))
    }
}

/// Finds `text` among `words`.
pub(crate) fn one_of<T: Copy>(name: &str, text: &str, words: &[(&str, T)]) -> Result<T, ApiError> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        ApiError::parameter(name, format!("`{shown}` is not a {name}: known are {}", known.join(", ")))
    })
}

/// A JSON body. An empty one reads as `{}`, so that actions without arguments need none. The declared content type is
/// not looked at: `curl -d` says it sends a form.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let held = body::read(&parts.headers, body, app).await?;
        read_json(&held.bytes).and_then(read_value).map(Self)
    }
}

/// A body without fields.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoFields {}

fn read_json(bytes: &[u8]) -> Result<Value, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let what = match error.classify() {
            Category::Eof => "the JSON ends too early",
            _ => "the body is not JSON",
        };
        let message = format!("{what}, at line {} column {}", error.line(), error.column());
        ApiError::new(StatusCode::BAD_REQUEST, "INVALID_JSON", message)
            .detail("line", error.line())
            .detail("column", error.column())
    })
}

/// Reads a value as a `T`; what does not fit is told with the name of its field.
pub(crate) fn read_value<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    if !value.is_object() {
        return Err(ApiError::field("", "the body must be a JSON object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let text = error.into_inner().to_string();
        let field = match (path.as_str(), quoted(&text)) {
            (".", Some(name)) => name.to_owned(),
            (".", None) => String::new(),
            // An unknown field is told with the path of the object around it or with its own, by position.
            (path, Some(name)) if text.starts_with("missing field") => format!("{path}.{name}"),
            (path, _) => path.to_owned(),
        };
        let message = if field.is_empty() {
            without_value(&text)
        } else {
            format!("`{field}`: {}", without_value(&text))
        };
        ApiError::field(&field, message)
    })
}

/// What stands between the first two backticks.
fn quoted(text: &str) -> Option<&str> {
    let about_a_field =
        ["unknown field", "missing field", "duplicate field"].iter().any(|start| text.starts_with(start));
    text.split('`').nth(1).filter(|_| about_a_field)
}

/// The message without the value that was sent, which may be a secret in the wrong place.
fn without_value(text: &str) -> String {
    let quotes_value = text.starts_with("invalid type") || text.starts_with("invalid value");
    match text.split_once(", expected ") {
        Some((_, expected)) if quotes_value => format!("expected {expected}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its type is of interest")]
        count: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only its type is of interest")]
        name: String,
        #[expect(dead_code, reason = "only its type is of interest")]
        inner: Option<Inner>,
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_field() {
        for (body, field) in [
            (json!({"name": "a", "nmae": 1}), "nmae"),
            (json!({}), "name"),
            (json!({"name": 7}), "name"),
            (json!({"name": "a", "inner": {"count": "many"}}), "inner.count"),
            (json!({"name": "a", "inner": {}}), "inner.count"),
            (json!({"name": "a", "inner": {"count": 1, "cuont": 1}}), "inner.cuont"),
            (json!([]), ""),
        ] {
            let error = read_value::<Outer>(body.clone()).unwrap_err();
            assert_eq!(error.detail_text("field"), Some(field), "{body}");
        }
    }

    #[test]
    fn a_value_in_the_wrong_place_is_not_repeated() {
        let error = read_value::<Outer>(json!({"name": "a", "inner": {"count": "hunter2"}})).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn json_errors_are_told_with_their_place() {
        for (body, status) in [("{", 400), ("{\"a\": 1,}", 400), ("\u{0}", 400), ("", 200), (" \n", 200)] {
            let status_of = read_json(body.as_bytes()).map_or_else(|error| error.status().as_u16(), |_| 200);
            assert_eq!(status_of, status, "{body:?}");
        }
    }

    #[test]
    fn the_query_is_read_as_people_write_it() {
        let query =
            Query::of(&"/x?status=open,fixed&status=expected&q=disk%20full&owner=&limit=5".parse().unwrap());
        assert_eq!(query.many("status").collect::<Vec<_>>(), ["open", "fixed", "expected"]);
        assert_eq!(
            (query.one("q"), query.one("owner"), query.given("owner")),
            (Some("disk full"), None, Some(""))
        );
        assert_eq!(query.page().unwrap().limit, 5);
        for wrong in
            ["/x?limit=0", "/x?limit=201", "/x?limit=-1", "/x?limit=x", "/x?cursor=xyz", "/x?cursor=%00"]
        {
            assert!(Query::of(&wrong.parse().unwrap()).page().is_err(), "{wrong}");
        }
    }
}
