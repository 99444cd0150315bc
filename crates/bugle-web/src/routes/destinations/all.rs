//! `GET` and `POST /api/v1/destinations`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use bugle_engine::config::NewDestination;
use bugle_model::{Circuit, Page, Scope};
use http::{StatusCode, header};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::{MethodFilter, Param, Route, view};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, Query, read_value},
    routes::{CURSOR, LIMIT, page_of, values},
};

const DIALECT: Param = Param { name: "dialect", doc: "Only destinations of this dialect." };

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/destinations";
    let (read, admin) = (Access::Key(Scope::Read), Access::Key(Scope::Admin));
    let create_summary = "Makes a destination. `{\"webhook_config\": {...}}` is accepted as it stands.";
    vec![
        Route::new(
            MethodFilter::GET,
            path,
            read,
            "list_destinations",
            "The destinations, oldest first.",
            list,
        )
        .query(&[DIALECT, LIMIT, CURSOR])
        .answers(200, "DestinationPage"),
        Route::new(MethodFilter::POST, path, admin, "create_destination", create_summary, create)
            .reads("NewDestination")
            .answers(201, "DestinationCreated"),
    ]
}

async fn list(State(app): State<App>, query: Query) -> Result<Json<Page<Value>>, ApiError> {
    let dialect = query.one("dialect");
    let rows = app.engine.destinations();
    let rows = rows.into_iter().filter(|(row, _)| dialect.is_none_or(|dialect| row.dialect == dialect));
    let page = page_of(rows, query.page()?, |(row, _)| row.id.as_i64());
    Ok(values(page, |(row, circuit)| view(&app, &row, circuit)))
}

async fn create(
    State(app): State<App>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let new: NewDestination = read_value(Value::Object(unwrapped(body)?))?;
    let given = new.secret.clone();
    let (destination, made) = app.engine.create_destination(new).await?;
    let mut shown = view(&app, &destination, Circuit::default());
    if let (Some(shown), Some(secret)) = (shown.as_object_mut(), made.or(given)) {
        shown.insert("secret".into(), json!(secret.expose_secret()));
    }
    let location = format!("/api/v1/destinations/{}", destination.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shown)).into_response())
}

/// Lifts the fields of `webhook_config` out, beside whatever stands next to it.
pub(super) fn unwrapped(mut body: Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let Some(config) = body.remove("webhook_config") else { return Ok(body) };
    let Value::Object(config) = config else {
        return Err(ApiError::field(
            "webhook_config",
            "`webhook_config` must be an object with at least `url`",
        ));
    };
    for (name, value) in config {
        if body.contains_key(&name) {
            let message = format!("`{name}` is given both in `webhook_config` and beside it: keep one");
            return Err(ApiError::field(&name, message));
        }
        body.insert(name, value);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_configuration_is_the_same_as_a_bare_one() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let wrapped = json!({"name": "a", "webhook_config": {"url": "https://a.example", "events": []}});
        let bare = json!({"name": "a", "url": "https://a.example", "events": []});
        assert_eq!(unwrapped(object(wrapped)).unwrap(), object(bare.clone()));
        assert_eq!(unwrapped(object(bare.clone())).unwrap(), object(bare));
        for refused in [json!({"webhook_config": 1}), json!({"url": "x", "webhook_config": {"url": "y"}})] {
            assert!(unwrapped(object(refused.clone())).is_err(), "{refused}");
        }
    }
}
