//! What is answered where there is no route, or none for the method.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use super::table;
use crate::{app::App, error::ApiError, ui};

/// Routes named in the advice.
const NEAR_MAX: usize = 5;

/// There is no such path: a browser gets a page, a program the routes that look like it.
pub(super) async fn not_found(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let path = uri.path();
    if ui::wants_html(&headers) && !path.starts_with("/api/") {
        return ui::not_found(&app, &headers, path).await;
    }
    let shown: String = path.chars().take(120).collect();
    let near = near(path);
    let message = format!("there is nothing at `{method} {shown}`; the nearest are {}", near.join(", "));
    ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message).detail("near", near).into_response()
}

/// The path exists and does not take the method. `OPTIONS` is told what it takes.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let allow = allowed(uri.path());
    if method == Method::OPTIONS {
        let mut response = StatusCode::NO_CONTENT.into_response();
        if let Ok(value) = HeaderValue::from_str(&allow) {
            response.headers_mut().insert(header::ALLOW, value);
        }
        return response;
    }
    let advice = if uri.path().starts_with("/api/v1/webhooks/") {
        format!(
            "this is a webhook URL and takes {allow} with the alert as its body. Elasticsearch Watcher sends GET unless its \
             webhook action says `method: post`"
        )
    } else {
        format!("this path takes {allow}")
    };
    ApiError::method_not_allowed(&method, allow, &advice).into_response()
}

/// The methods that `path` takes, as `Allow` lists them.
fn allowed(path: &str) -> String {
    let routes = table();
    // A path with a parameter also fits `/webhooks/health`-like paths only by accident: the exact one wins, as in the router.
    let exact = routes.iter().any(|route| route.path == path);
    let fitting =
        routes.iter().filter(|route| if exact { route.path == path } else { fits(route.path, path) });
    let mut methods: Vec<&str> = Vec::new();
    for route in fitting {
        methods.push(route.method.as_str());
        if route.method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

/// Whether `path` is an instance of `pattern`.
fn fits(pattern: &str, path: &str) -> bool {
    let mut given = path.split('/');
    let every =
        pattern.split('/').all(|part| given.next().is_some_and(|g| part == g || part.starts_with('{')));
    every && given.next().is_none()
}

/// The routes most like `path`: those whose segments, in their places, share the most first letters with it.
fn near(path: &str) -> Vec<String> {
    let given: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let distance = |route: &super::Route| {
        let parts: Vec<&str> = route.path.split('/').collect();
        let alike: usize = parts.iter().zip(&given).map(|(part, given)| likeness(part, given)).sum();
        (parts.len().abs_diff(given.len()), std::cmp::Reverse(alike))
    };
    let mut routes = table();
    routes.sort_by_key(distance);
    routes.iter().take(NEAR_MAX).map(|route| format!("{} {}", route.method, route.path)).collect()
}

/// First letters that two segments share; a parameter is like anything, but less so than the right word.
fn likeness(part: &str, given: &str) -> usize {
    if part.starts_with('{') {
        return 1;
    }
    part.bytes().zip(given.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_path_is_told_the_nearest() {
        for (path, expected) in [
            ("/api/v1/webhook/grafana/int_1", "POST /api/v1/webhooks/{platform}/{integration_id}"),
            ("/api/v1/incident", "GET /api/v1/incidents"),
            ("/api/v1/webhooks/grafana/int_1/", "POST /api/v1/webhooks/{platform}/{integration_id}"),
            ("/api/v1/incidents/inc_1/ack", "POST /api/v1/incidents/{id}/acknowledge"),
        ] {
            let near = near(path);
            assert!(near.iter().any(|route| route == expected), "{path}: {near:?}");
        }
    }

    #[test]
    fn allow_lists_what_the_path_takes() {
        for (path, expected) in [
            ("/api/v1/webhooks/grafana/int_1", "POST, PUT, OPTIONS"),
            ("/api/v1/webhooks/health", "GET, HEAD, OPTIONS"),
            ("/api/v1/incidents/inc_1/severity", "POST, DELETE, OPTIONS"),
        ] {
            assert_eq!(allowed(path), expected);
        }
    }
}
