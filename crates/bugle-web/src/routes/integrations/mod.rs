//! `/api/v1/integrations`: the configured inbound sources.

mod all;
mod one;
mod release;
mod secrets;
mod test;

use bugle_model::{Integration, Timestamp};
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::{MethodFilter, Param, Route};
use crate::app::App;

pub(super) use secrets::{NewSecret, created as secret_created};

pub(super) fn routes() -> Vec<Route> {
    let rooms = [all::routes(), one::routes(), release::routes(), secrets::routes(), test::routes()];
    rooms.into_iter().flatten().collect()
}

/// An integration as it is shown: all but its secrets.
fn view(app: &App, headers: &HeaderMap, integration: &Integration) -> Value {
    let now = app.now();
    let secrets: Vec<_> = integration.active_secrets(now).map(bugle_model::Secret::facts).collect();
    json!({
        "id": integration.id,
        "platform": integration.platform,
        "name": integration.name,
        "built_in": integration.is_built_in(),
        "enabled": integration.enabled,
        "webhook_url": webhook_url(app, headers, integration),
        "verified": integration.is_built_in() || !integration.secrets.is_empty(),
        "secrets": secrets,
        "allowed_ips": integration.allowed_ips,
        "rate_limit": integration.rate_limit,
        "settings": integration.settings,
        "warnings": warnings(integration, now),
        "created_at": integration.created_at,
        "updated_at": integration.updated_at,
    })
}

/// Where the sender must call: below the configured public URL, else below the address this request came to.
pub(crate) fn webhook_url(app: &App, headers: &HeaderMap, integration: &Integration) -> String {
    let base = base_url(app, headers);
    format!("{base}/api/v1/webhooks/{}/{}", integration.platform, integration.id)
}

/// Where this hub is reached: the configured public URL, else the address this request came to. Ends without a slash.
pub(crate) fn base_url(app: &App, headers: &HeaderMap) -> String {
    app.settings.public_url.as_ref().map_or_else(
        || {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
            format!("http://{}", host.filter(|host| is_host(host)).unwrap_or("localhost:8000"))
        },
        |url| url.as_str().trim_end_matches('/').to_owned(),
    )
}

/// Whether `Host` is one that may stand in a URL that people copy.
fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte))
}

fn warnings(integration: &Integration, now: Timestamp) -> Vec<&'static str> {
    if integration.is_built_in() {
        vec!["Bugle reports on itself by this integration: it takes no calls"]
    } else if integration.secrets.is_empty() {
        vec!["no secret: unsigned calls are accepted from whoever knows the URL, and shown as unverified"]
    } else if integration.active_secrets(now).next().is_none() {
        vec!["every secret has expired: all calls are refused until a new one is added"]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_stand_in_a_url_is_taken_from_host() {
        for (host, fine) in [
            ("hub.example.com", true),
            ("127.0.0.1:8000", true),
            ("[::1]:8000", true),
            ("", false),
            ("evil.example/<script>", false),
            ("a b", false),
            ("user@host", false),
        ] {
            assert_eq!(is_host(host), fine, "{host}");
        }
    }
}
