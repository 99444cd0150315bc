//! `POST /api/v1/incidents/{id}/tickets`.

use axum::{Json, extract::State};
use bugle_model::{Incident, incident::Ticket, lifecycle::Action};

use super::{MethodFilter, OPERATE, Route, act};
use crate::{
    access::Caller,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
};

/// Longest text of a ticket's field.
const FIELD_BYTES_MAX: usize = 2048;

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/tickets";
    let summary = "Notes a ticket in another system; one with the same system and key is replaced.";
    vec![
        Route::new(MethodFilter::POST, path, OPERATE, "attach_ticket", summary, attach)
            .reads("Ticket")
            .answers(200, "Incident"),
    ]
}

async fn attach(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    caller: Caller,
    JsonBody(ticket): JsonBody<Ticket>,
) -> Result<Json<Incident>, ApiError> {
    act(&app, &id, &caller, Action::AttachTicket(checked(ticket)?)).await
}

/// A ticket's page becomes a link on pages and in messages, so it must be one that only opens a page.
fn checked(ticket: Ticket) -> Result<Ticket, ApiError> {
    for (field, text) in [("system", &ticket.system), ("key", &ticket.key), ("url", &ticket.url)] {
        if text.trim().is_empty() || text.len() > FIELD_BYTES_MAX || text.chars().any(char::is_control) {
            let message = format!("`{field}` has 1 to {FIELD_BYTES_MAX} bytes and no control characters");
            return Err(ApiError::field(field, message));
        }
    }
    let is_page = url::Url::parse(&ticket.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_page {
        Ok(ticket)
    } else {
        Err(ApiError::field("url", "`url` must begin with https:// or http://"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_a_page() {
        for (system, key, url, wrong) in [
            ("jira", "OPS-7", "https://jira.example.com/browse/OPS-7", None),
            ("", "OPS-7", "https://jira.example.com", Some("system")),
            ("jira", " ", "https://jira.example.com", Some("key")),
            ("jira", "OPS-7", "javascript:alert(1)", Some("url")),
            ("jira", "OPS-7", "not a url", Some("url")),
            ("jira", "OPS\n7", "https://jira.example.com", Some("key")),
        ] {
            let ticket = Ticket { system: system.into(), key: key.into(), url: url.into() };
            let found = checked(ticket).err();
            assert_eq!(
                found.as_ref().and_then(|error| error.detail_text("field")),
                wrong,
                "{system} {key} {url}"
            );
        }
    }
}
