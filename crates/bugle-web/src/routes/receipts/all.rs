//! `GET /api/v1/receipts`.

use axum::{Json, extract::State};
use bugle_model::{Page, ReceiptState, Scope};
use bugle_store::ReceiptFilter;
use serde_json::Value;

use super::{CURSOR, LIMIT, MethodFilter, Param, Route, shown};
use crate::{access::Access, app::App, error::ApiError, input::Query, routes::values};

const FILTERS: &[Param] = &[
    Param { name: "integration_id", doc: "Only receipts of this integration." },
    Param {
        name: "state",
        doc: "pending, processed, ignored, duplicate, or in quarantine: rejected (not proven), undecodable (not understood).",
    },
    LIMIT,
    CURSOR,
];

pub(super) fn routes() -> Vec<Route> {
    let access = Access::Key(Scope::Read);
    vec![
        Route::new(
            MethodFilter::GET,
            "/api/v1/receipts",
            access,
            "list_receipts",
            "Receipts, newest first.",
            list,
        )
        .query(FILTERS)
        .answers(200, "ReceiptPage"),
    ]
}

async fn list(State(app): State<App>, query: Query) -> Result<Json<Page<Value>>, ApiError> {
    let states = ReceiptState::ALL.map(|state| (state.as_str(), state));
    let filter =
        ReceiptFilter { integration_id: query.id("integration_id")?, state: query.word("state", &states)? };
    let page = app.store().receipts(filter, query.page()?).await?;
    Ok(values(page, |receipt| Value::Object(shown::row(&receipt))))
}
