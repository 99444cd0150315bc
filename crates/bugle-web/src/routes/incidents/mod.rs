//! `/api/v1/incidents`: what is handled, and what people do to it.

mod acknowledge;
mod alerts;
mod all;
mod comments;
mod deliveries;
mod one;
mod owner;
mod related;
mod reopen;
mod resolve;
mod routing;
mod severity;
mod status;
mod tickets;
mod timeline;

use axum::Json;
use bugle_model::{Incident, IncidentId, IncidentStatus, Scope, lifecycle::Action, limits};

use super::{CURSOR, LIMIT, MethodFilter, PAGED, Param, Route};
use crate::{
    access::{Access, Caller},
    app::App,
    error::ApiError,
    input,
};

pub(crate) use all::filter;
pub(crate) use routing::{Routed, Routing, routing, sequence};
pub(super) use timeline::view as event_view;

pub(super) fn routes() -> Vec<Route> {
    [
        all::routes(),
        one::routes(),
        timeline::routes(),
        routing::routes(),
        alerts::routes(),
        deliveries::routes(),
        related::routes(),
        acknowledge::routes(),
        status::routes(),
        owner::routes(),
        tickets::routes(),
        severity::routes(),
        resolve::routes(),
        comments::routes(),
        reopen::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const READ: Access = Access::Key(Scope::Read);
const OPERATE: Access = Access::Key(Scope::Operate);

/// The statuses as the API writes them.
const STATUSES: [(&str, IncidentStatus); 7] = {
    let [a, b, c, d, e, f, g] = IncidentStatus::ALL;
    [
        (a.as_str(), a),
        (b.as_str(), b),
        (c.as_str(), c),
        (d.as_str(), d),
        (e.as_str(), e),
        (f.as_str(), f),
        (g.as_str(), g),
    ]
};

fn incident_id(text: &str) -> Result<IncidentId, ApiError> {
    input::id("incident", text)
}

/// The incident must exist: an empty list would say that it does and has nothing.
async fn existing(app: &App, text: &str) -> Result<Incident, ApiError> {
    let found = app.store().incident(incident_id(text)?).await?;
    found.ok_or_else(|| ApiError::not_found("incident", text))
}

async fn act(app: &App, id: &str, caller: &Caller, action: Action) -> Result<Json<Incident>, ApiError> {
    Ok(Json(app.engine.act(incident_id(id)?, action, caller.actor()).await?))
}

/// A comment that a timeline can hold.
fn bounded(comment: String) -> Result<String, ApiError> {
    if comment.len() > limits::DESCRIPTION_BYTES_MAX {
        let message = format!("a comment has at most {} bytes", limits::DESCRIPTION_BYTES_MAX);
        return Err(ApiError::field("comment", message));
    }
    Ok(comment)
}
