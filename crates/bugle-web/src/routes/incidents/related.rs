//! `GET /api/v1/incidents/{id}/related`.

use axum::{Json, extract::State};
use bugle_model::{Incident, Page};

use super::{MethodFilter, READ, Route, existing};
use crate::{app::App, error::ApiError, input::PathOf};

/// Most that are told: whoever looks for more searches.
const RELATED_MAX: u32 = 20;

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/related";
    let summary = "Earlier incidents of the same problem, then the newest of the same service or host.";
    vec![
        Route::new(MethodFilter::GET, path, READ, "get_related_incidents", summary, list)
            .answers(200, "IncidentPage"),
    ]
}

async fn list(State(app): State<App>, PathOf(id): PathOf<String>) -> Result<Json<Page<Incident>>, ApiError> {
    let incident = existing(&app, &id).await?;
    let data = app.store().related(&incident, RELATED_MAX).await?;
    Ok(Json(Page { data, next_cursor: None }))
}
