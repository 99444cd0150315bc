//! `GET /api/v1/incidents/{id}`.

use axum::{Json, extract::State};
use bugle_model::Incident;

use super::{MethodFilter, READ, Route, existing};
use crate::{app::App, error::ApiError, input::PathOf};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(MethodFilter::GET, "/api/v1/incidents/{id}", READ, "get_incident", "One incident.", get)
            .answers(200, "Incident"),
    ]
}

async fn get(State(app): State<App>, PathOf(id): PathOf<String>) -> Result<Json<Incident>, ApiError> {
    existing(&app, &id).await.map(Json)
}
