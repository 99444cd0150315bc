//! `GET /api/v1/deliveries`.

use axum::{Json, extract::State};
use bugle_model::{Delivery, DeliveryState, Page, Scope};
use bugle_store::DeliveryFilter;

use super::{CURSOR, LIMIT, MethodFilter, Param, Route};
use crate::{access::Access, app::App, error::ApiError, input::Query};

const FILTERS: &[Param] = &[
    Param { name: "destination_id", doc: "Only deliveries to this destination." },
    Param { name: "incident_id", doc: "Only deliveries of this incident's events." },
    Param { name: "state", doc: "pending, blocked, delivered, dead or skipped." },
    LIMIT,
    CURSOR,
];

pub(super) fn routes() -> Vec<Route> {
    let path = "/api/v1/deliveries";
    vec![
        Route::new(
            MethodFilter::GET,
            path,
            Access::Key(Scope::Read),
            "list_deliveries",
            "Deliveries, newest first.",
            list,
        )
        .query(FILTERS)
        .answers(200, "DeliveryPage"),
    ]
}

async fn list(State(app): State<App>, query: Query) -> Result<Json<Page<Delivery>>, ApiError> {
    let states = DeliveryState::ALL.map(|state| (state.as_str(), state));
    let filter = DeliveryFilter {
        destination_id: query.id("destination_id")?,
        state: query.word("state", &states)?,
        incident_id: query.id("incident_id")?,
    };
    Ok(Json(app.store().deliveries(filter, query.page()?).await?))
}
