//! What dialects that write a vendor's own document share: no template, and the headers that a destination asks for beside
//! the vendor's own. What the document says is each platform's room's business.

use bugle_model::Incident;

use super::{
    Dialect, Notice, Outbound, RenderError, Wishes, headers, placeholder::Scope,
    standard_webhooks::SECRET_NEEDED,
};

/// Whether a destination configured like this can be served. `reserved` are the headers, in lower case, that `dialect`
/// writes itself; the header of its signature is one of them where there is a secret.
pub(crate) fn check(dialect: &dyn Dialect, wishes: &Wishes<'_>, reserved: &[&str]) -> Result<(), String> {
    if wishes.template.is_some() {
        return Err(format!(
            "{} has a body of its own: remove the template, or choose dialect `template`",
            dialect.title()
        ));
    }
    headers::check(wishes.headers, reserved)?;
    match (wishes.secret, dialect.signing(wishes)) {
        (Some(secret), Some(scheme)) => scheme.check_secret(secret).map_err(|error| error.to_string()),
        (None, _) if headers::use_secret(wishes.headers) => Err(SECRET_NEEDED.into()),
        _ => Ok(()),
    }
}

/// `body`, which is JSON, with the headers that the destination asks for.
pub(crate) fn request(
    body: Vec<u8>,
    notice: &Notice<'_>,
    wishes: &Wishes<'_>,
) -> Result<Outbound, RenderError> {
    headers::request(body, wishes.headers, &Scope::new(notice, wishes.secret, false))
}

/// What the source calls the incident's group (of a platform without groups: the alert), when it came from `platform`, so
/// that it keeps its name on the way back. The same for all of an incident's events, those of people included.
pub(crate) fn own_key<'a>(incident: &'a Incident, platform: &str) -> Option<&'a str> {
    let (integration, key) = incident.grouping_key.split_once(':')?;
    let is_own = incident.platform == platform && integration == incident.integration_id.to_string();
    (is_own && !key.is_empty()).then_some(key)
}

/// Whether the secret stands in the request already, because a placeholder asks for it.
pub(crate) fn uses_secret(wishes: &Wishes<'_>) -> bool {
    super::template::uses_secret(wishes)
}
