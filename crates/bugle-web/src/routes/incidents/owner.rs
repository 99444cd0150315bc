//! `POST /api/v1/incidents/{id}/owner`.

use axum::{Json, extract::State};
use bugle_model::{Incident, lifecycle::Action};
use serde::Deserialize;

use super::{MethodFilter, OPERATE, Route, act};
use crate::{
    access::Caller,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOwner {
    /// Must be given: an empty body must not take an owner away.
    #[serde(deserialize_with = "Option::deserialize")]
    owner: Option<String>,
}

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/owner";
    let summary = "Gives the incident an owner; `null` takes the owner away.";
    vec![
        Route::new(MethodFilter::POST, path, OPERATE, "set_incident_owner", summary, set_owner)
            .reads("NewOwner")
            .answers(200, "Incident"),
    ]
}

async fn set_owner(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    caller: Caller,
    JsonBody(NewOwner { owner }): JsonBody<NewOwner>,
) -> Result<Json<Incident>, ApiError> {
    act(&app, &id, &caller, Action::SetOwner(owner.map(checked).transpose()?)).await
}

/// Longest address that mail allows.
const ADDRESS_BYTES_MAX: usize = 254;

/// An e-mail address, as far as it is worth checking: something before and behind an `@`.
fn checked(owner: String) -> Result<String, ApiError> {
    let parts = owner.split_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty());
    let clean =
        owner.len() <= ADDRESS_BYTES_MAX && !owner.chars().any(|c| c.is_control() || c.is_whitespace());
    if parts.is_some() && clean {
        Ok(owner)
    } else {
        Err(ApiError::field("owner", "`owner` is an e-mail address, or null for nobody"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_an_address() {
        for (owner, fine) in [
            ("ada@example.com", true),
            ("", false),
            ("ada", false),
            ("@example.com", false),
            ("ada@", false),
            ("ada @example.com", false),
        ] {
            assert_eq!(checked(owner.into()).is_ok(), fine, "{owner}");
        }
    }
}
