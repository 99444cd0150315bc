//! `/api/v1/destinations/{id}/recover`: sends again what was given up on, and says before how much that is.

use axum::{Json, extract::State};
use bugle_model::{DeliveryId, Scope, Timestamp, limits};
use bugle_store::RecoverFrom;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{MethodFilter, Param, Route};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{JsonBody, PathOf, Query},
};

/// Most deliveries of one step.
const STEP_MAX: u32 = 1_000;

/// What to send again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recovery {
    /// Only deliveries created at or after this moment; all of them without it.
    since: Option<Timestamp>,
    /// Of those created at that very moment, only the ones behind this one.
    after: Option<DeliveryId>,
    /// So many at most: one step. All of them without it.
    limit: Option<u32>,
}

pub(super) fn routes() -> Vec<Route> {
    const SINCE: &[Param] = &[Param {
        name: "since",
        doc: "Only deliveries created at or after this moment; all of them without it.",
    }];
    let path = "/api/v1/destinations/{id}/recover";
    let summary = "Sends the dead deliveries again, those created since `since`. With `limit` one step: go on with the \
                   fields of `rest` until that is null.";
    let operate = Access::Key(Scope::Operate);
    let count_summary = "How many deliveries a recovery would send again.";
    vec![
        Route::new(MethodFilter::GET, path, operate, "count_dead_deliveries", count_summary, count)
            .query(SINCE)
            .answers(200, "Recoverable"),
        Route::new(MethodFilter::POST, path, operate, "recover_destination", summary, recover)
            .reads("Recovery")
            .answers(200, "Recovered"),
    ]
}

async fn count(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let since = query.one("since").map(str::parse::<Timestamp>).transpose();
    let since =
        since.map_err(|_| ApiError::parameter("since", "`since` is a time such as 2026-01-31T12:00:00Z"))?;
    let dead = app.engine.count_dead(&id, since.unwrap_or_default()).await?;
    Ok(Json(json!({"dead": dead, "more": dead >= limits::DEAD_COUNTED_MAX})))
}

async fn recover(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(recovery): JsonBody<Recovery>,
) -> Result<Json<Value>, ApiError> {
    let since = recovery.since.unwrap_or_default();
    let Some(limit) = recovery.limit else {
        let recovered = app.engine.recover_destination(&id, since).await?;
        return Ok(Json(json!({"recovered": recovered, "rest": null})));
    };
    if !(1..=STEP_MAX).contains(&limit) {
        return Err(ApiError::field("limit", format!("`limit` is 1 to {STEP_MAX}")));
    }
    let begin = RecoverFrom::since(since);
    let from = RecoverFrom { after: recovery.after.unwrap_or(begin.after), ..begin };
    let step = app.engine.recover_some(&id, from, limit).await?;
    let rest = step.rest.map(|rest| json!({"since": rest.created_at, "after": rest.after}));
    Ok(Json(json!({"recovered": step.count, "rest": rest})))
}
