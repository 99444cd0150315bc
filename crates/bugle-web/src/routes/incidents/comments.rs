//! `POST /api/v1/incidents/{id}/comments`.

use axum::{Json, extract::State};
use bugle_model::{Incident, lifecycle::Action};
use serde::Deserialize;

use super::{MethodFilter, OPERATE, Route, act, bounded};
use crate::{
    access::Caller,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewComment {
    comment: String,
}

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/comments";
    let summary = "Writes something on the timeline.";
    vec![
        Route::new(MethodFilter::POST, path, OPERATE, "comment_incident", summary, comment)
            .reads("NewComment")
            .answers(200, "Incident"),
    ]
}

async fn comment(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    caller: Caller,
    JsonBody(NewComment { comment }): JsonBody<NewComment>,
) -> Result<Json<Incident>, ApiError> {
    act(&app, &id, &caller, Action::Comment(bounded(comment)?)).await
}
