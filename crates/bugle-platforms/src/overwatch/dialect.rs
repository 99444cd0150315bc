//! How Bugle tells of an incident to a receiver that expects Overwatch.
//!
//! The body is the documented one: `incident_id`, `title`, `severity` and `status`. Of an incident that came from Overwatch
//! the id is its own. The status is `open`, `acknowledged` (also while somebody mends it) or `resolved` (whatever the
//! resolution). An event that changes none of the four has no word: comments, owners, tickets and declared severities.
//! With a template of the destination's own every event is told, and `{{incident.status}}` is Bugle's own word.
//!
//! The secret is sent as `Authorization: Bearer`, or, with the setting `signature_header`, only used to sign. A destination
//! made without saying otherwise tries three times, 1 s and 2 s apart, and is disabled after ten failures in a row.

use bugle_model::{CircuitPolicy, Event, EventKind, IncidentStatus, RetryPolicy, destination::OnOpen};
use serde_json::{Map, Value, json};

use super::{OverwatchDialect, SIGNATURE_HEADER_OUT, signature};
use crate::{
    dialect::{Dialect, Notice, Outbound, RenderError, Template, Wishes, vendor},
    scheme::Scheme,
    source::Setting,
};

impl Dialect for OverwatchDialect {
    fn slug(&self) -> &'static str {
        "overwatch"
    }

    fn title(&self) -> &'static str {
        "Overwatch"
    }

    fn settings(&self) -> &'static [Setting] {
        &[SIGNATURE_HEADER_OUT]
    }

    fn check(&self, wishes: &Wishes<'_>) -> Result<(), String> {
        Template.check(wishes)?;
        let Some(scheme) = self.signing(wishes) else { return Ok(()) };
        let written = match &scheme {
            Scheme::Hmac(hmac) => &hmac.header,
            _ => "authorization",
        };
        if wishes.headers.keys().any(|name| name.eq_ignore_ascii_case(written)) {
            return Err(format!("the header `{written}` is written by Bugle: remove it, or the secret"));
        }
        wishes.secret.map_or(Ok(()), |secret| scheme.check_secret(secret).map_err(|error| error.to_string()))
    }

    fn render(&self, notice: &Notice<'_>, wishes: &Wishes<'_>) -> Result<Option<Outbound>, RenderError> {
        if wishes.template.is_some() {
            return Template.render(notice, wishes);
        }
        if !has_word(notice.event.kind) {
            return Ok(None);
        }
        vendor::request(body(notice.event).to_string().into_bytes(), notice, wishes).map(Some)
    }

    fn scheme(&self, settings: &Map<String, Value>) -> Option<Scheme> {
        Some(signature(settings).unwrap_or(Scheme::Bearer))
    }

    /// `"Authorization": "Bearer {{api_token}}"`, which Overwatch documents, needs nothing beside it.
    fn signing(&self, wishes: &Wishes<'_>) -> Option<Scheme> {
        let scheme = wishes.secret.and_then(|_| self.scheme(wishes.settings))?;
        (scheme != Scheme::Bearer || !vendor::uses_secret(wishes)).then_some(scheme)
    }

    /// `2^attempt` seconds after attempts 0 and 1; the third failure is the last.
    fn retry(&self) -> RetryPolicy {
        RetryPolicy {
            max_attempts: 3,
            initial_delay_ms: 1_000,
            factor: 2.0,
            jitter: 0.0,
            ..RetryPolicy::default()
        }
    }

    /// Ten failures in a row disable the webhook.
    fn circuit(&self) -> CircuitPolicy {
        CircuitPolicy { failure_threshold: 10, on_open: OnOpen::Disable, ..CircuitPolicy::default() }
    }
}

const fn has_word(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Created
            | EventKind::Updated
            | EventKind::Acknowledged
            | EventKind::StatusChanged
            | EventKind::Resolved
            | EventKind::Reopened
    )
}

fn body(event: &Event) -> Value {
    let incident = &event.incident;
    json!({
        "incident_id": vendor::own_key(incident, "overwatch").map_or_else(|| incident.id.to_string(), str::to_owned),
        "title": incident.title,
        "severity": incident.severity.as_str(),
        "status": word(incident.status),
    })
}

const fn word(status: IncidentStatus) -> &'static str {
    match status {
        IncidentStatus::Open => "open",
        IncidentStatus::Acknowledged | IncidentStatus::WorkInProgress => "acknowledged",
        IncidentStatus::Fixed
        | IncidentStatus::Expected
        | IncidentStatus::NoActionNeeded
        | IncidentStatus::FalsePositive => "resolved",
    }
}
