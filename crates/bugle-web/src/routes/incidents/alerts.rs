//! `GET /api/v1/incidents/{id}/alerts`.

use axum::{Json, extract::State};
use bugle_model::{Alert, Page};

use super::{MethodFilter, PAGED, READ, Route, existing};
use crate::{
    app::App,
    error::ApiError,
    input::{PathOf, Query},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/alerts";
    vec![
        Route::new(MethodFilter::GET, path, READ, "get_incident_alerts", "An incident's alerts.", list)
            .query(PAGED)
            .answers(200, "AlertPage"),
    ]
}

async fn list(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    query: Query,
) -> Result<Json<Page<Alert>>, ApiError> {
    let page = query.page()?;
    let incident = existing(&app, &id).await?;
    Ok(Json(app.store().alerts_of(incident.id, page).await?))
}
