//! `POST /api/v1/destinations/preview`: what a destination would be sent, without sending it.

use axum::{Json, extract::State};
use bugle_engine::config::EventPlace;
use bugle_model::Scope;
use serde_json::{Map, Value, json};

use super::{MethodFilter, Route, all::unwrapped, one::restored};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, read_value},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/destinations/preview";
    let summary = "The request that a destination made from this would be sent, secrets hidden, without sending it. With \
                   `id`: one that is there, changed like this.";
    let access = Access::Key(Scope::Admin);
    vec![
        Route::new(MethodFilter::POST, path, access, "preview_destination", summary, preview)
            .reads("DestinationPreview")
            .answers(200, "PreviewedRequest"),
    ]
}

async fn preview(
    State(app): State<App>,
    JsonBody(mut body): JsonBody<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    let of: Option<EventPlace> = body.remove("event").map(read_value).transpose()?;
    let rendered = match body.remove("id") {
        Some(Value::String(id)) => {
            let patch = restored(&app, &id, read_value(Value::Object(body))?)?;
            app.engine.preview_changed(&id, patch, of).await?
        }
        Some(_) => return Err(ApiError::field("id", "`id` names a destination, as text")),
        None => {
            let new = read_value(Value::Object(unwrapped(body)?))?;
            app.engine.preview_new(new, of).await?
        }
    };
    Ok(Json(match rendered {
        Ok(request) => json!({"request": request, "problem": null}),
        Err(problem) => json!({"request": null, "problem": problem}),
    }))
}
