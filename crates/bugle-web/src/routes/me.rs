//! `GET /api/v1/me`: who calls, and what they may do.

use axum::Json;
use bugle_model::Scope;
use serde_json::{Value, json};

use super::{MethodFilter, Route};
use crate::access::{Access, Caller};

pub(super) fn routes() -> Vec<Route> {
    let summary = "Who calls, and what they may do.";
    vec![
        Route::new(MethodFilter::GET, "/api/v1/me", Access::Key(Scope::Read), "me", summary, me)
            .answers(200, "Me"),
    ]
}

async fn me(caller: Caller) -> Json<Value> {
    Json(match &caller {
        Caller::Key(key) => json!({"type": "api_key", "id": key.id, "name": key.name, "scope": key.scope}),
        Caller::User(viewer) => {
            let user = viewer.user();
            json!({"type": "user", "id": user.id, "name": user.name, "scope": user.role})
        }
    })
}
