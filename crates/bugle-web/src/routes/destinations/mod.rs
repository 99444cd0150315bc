//! `/api/v1/destinations`: the configured outbound endpoints.

mod all;
mod enable;
mod health;
mod one;
mod preview;
mod recover;
mod secrets;
mod shown;
mod verify;

use bugle_model::{Circuit, Destination};
use serde_json::{Value, json};

use super::{MethodFilter, Param, Route};
use crate::app::App;

pub(crate) use shown::headers as shown_headers;

pub(super) fn routes() -> Vec<Route> {
    let rooms = [
        all::routes(),
        one::routes(),
        secrets::routes(),
        verify::routes(),
        enable::routes(),
        recover::routes(),
        health::routes(),
        preview::routes(),
    ];
    rooms.into_iter().flatten().collect()
}

/// A destination as it is shown: nothing of it that may be a secret.
fn view(app: &App, destination: &Destination, circuit: Circuit) -> Value {
    let secrets: Vec<_> = destination.active_secrets(app.now()).map(bugle_model::Secret::facts).collect();
    json!({
        "id": destination.id,
        "name": destination.name,
        "dialect": destination.dialect,
        "url": destination.shown_url(),
        "method": destination.method,
        "headers": shown::headers(&destination.headers),
        "events": destination.events,
        "filter": destination.filter,
        "template": destination.template,
        "retry": destination.retry,
        "circuit": destination.circuit_policy,
        "circuit_state": circuit,
        "settings": destination.settings,
        "concurrency": destination.concurrency,
        "timeout_ms": destination.timeout_ms,
        "enabled": destination.enabled,
        "disabled_reason": destination.disabled_reason,
        "secrets": secrets,
        "created_at": destination.created_at,
        "updated_at": destination.updated_at,
    })
}
