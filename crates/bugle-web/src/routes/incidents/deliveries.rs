//! `GET /api/v1/incidents/{id}/deliveries`.

use axum::{Json, extract::State};
use bugle_model::{Delivery, Page};
use bugle_store::DeliveryFilter;

use super::{MethodFilter, PAGED, READ, Route, existing};
use crate::{
    app::App,
    error::ApiError,
    input::{PathOf, Query},
};

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/incidents/{id}/deliveries";
    let summary = "Where an incident's events went, newest first.";
    vec![
        Route::new(MethodFilter::GET, path, READ, "get_incident_deliveries", summary, list)
            .query(PAGED)
            .answers(200, "DeliveryPage"),
    ]
}

async fn list(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    query: Query,
) -> Result<Json<Page<Delivery>>, ApiError> {
    let page = query.page()?;
    let incident = existing(&app, &id).await?;
    let filter = DeliveryFilter { incident_id: Some(incident.id), ..DeliveryFilter::default() };
    Ok(Json(app.store().deliveries(filter, page).await?))
}
