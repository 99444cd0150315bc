//! Standard Webhooks, the best form for a receiver of one's own: rotation, replay protection and idempotency are defined.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use serde_json::{Map, Value};

use super::{Dialect, Notice, Outbound, RenderError, Wishes, document, headers, placeholder::Scope};
use crate::{
    scheme::{Hmac, Scheme},
    source::Setting,
};

/// Writes `{"type", "timestamp", "data": {"event", "incident", "alert"}}`, at most 20 kB, signed with a `whsec_` secret.
#[derive(Debug, Clone, Copy)]
pub struct StandardWebhooks;

/// The setting that both of Bugle's own dialects have.
pub(super) const INCLUDE_RAW: Setting = Setting {
    name: "include_raw",
    choices: &["true", "false"],
    doc: "`true` sends what the monitoring platform sent for the alert as `alert.raw`. `false` by default.",
};

/// The headers that the signature brings with it.
const RESERVED: &[&str] = &["webhook-id", "webhook-timestamp", "webhook-signature"];

impl Dialect for StandardWebhooks {
    fn slug(&self) -> &'static str {
        "standard-webhooks"
    }

    fn title(&self) -> &'static str {
        "Standard Webhooks"
    }

    fn settings(&self) -> &'static [Setting] {
        &[INCLUDE_RAW]
    }

    fn check(&self, wishes: &Wishes<'_>) -> Result<(), String> {
        if wishes.template.is_some() {
            return Err(
                "a template is only for dialect `template`: choose that, or remove the template".into()
            );
        }
        include_raw(wishes.settings)?;
        headers::check(wishes.headers, RESERVED)?;
        match (wishes.secret, self.scheme(wishes.settings)) {
            (Some(secret), Some(scheme)) => scheme.check_secret(secret).map_err(|error| error.to_string()),
            (None, _) if headers::use_secret(wishes.headers) => Err(SECRET_NEEDED.into()),
            _ => Ok(()),
        }
    }

    fn render(&self, notice: &Notice<'_>, wishes: &Wishes<'_>) -> Result<Option<Outbound>, RenderError> {
        let include_raw = include_raw(wishes.settings).map_err(RenderError)?;
        let scope = Scope::new(notice, wishes.secret, include_raw);
        headers::request(document::body(notice, include_raw)?, wishes.headers, &scope).map(Some)
    }

    fn needs_secret(&self, _wishes: &Wishes<'_>) -> bool {
        true
    }

    fn scheme(&self, _settings: &Map<String, Value>) -> Option<Scheme> {
        Some(Scheme::Hmac(Hmac::standard_webhooks()))
    }
}

/// What is said when a placeholder asks for a secret that there is not.
pub(super) const SECRET_NEEDED: &str = "`{{api_token}}` stands for the destination's secret, and it has none: set `secret`, or write the value in place of the placeholder";

/// The setting `include_raw`.
pub(super) fn include_raw(settings: &Map<String, Value>) -> Result<bool, String> {
    match settings.get("include_raw") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err("the setting `include_raw` is `true` or `false`".into()),
    }
}
