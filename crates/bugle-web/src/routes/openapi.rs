//! `GET /api/v1/openapi.json`: the API described for machines.

use axum::Json;
use serde_json::Value;

use super::{MethodFilter, Route};
use crate::access::Access;

pub(super) fn routes() -> Vec<Route> {
    let summary = "This document.";
    let (path, operation) = ("/api/v1/openapi.json", "openapi");
    vec![Route::new(MethodFilter::GET, path, Access::Open, operation, summary, document).any_query()]
}

async fn document() -> Json<Value> {
    Json(crate::openapi_document())
}
