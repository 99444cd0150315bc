//! `GET /api/v1/about`: what this hub is, what it keeps for how long, and to admins how it is configured.

use std::time::Duration;

use axum::{Json, extract::State};
use bugle_model::{Scope, Timestamp, limits};
use bugle_store::StoreFacts;
use serde::Serialize;

use super::{MethodFilter, Route};
use crate::{
    access::{Access, Caller},
    app::App,
    error::ApiError,
    settings::ConfiguredSetting,
};

/// What this hub is.
#[derive(Debug, Serialize)]
pub(crate) struct About {
    pub(crate) version: &'static str,
    pub(crate) license: &'static str,
    /// When this process opened the store.
    pub(crate) started_at: Timestamp,
    pub(crate) uptime_seconds: u64,
    pub(crate) store: StoreFacts,
    /// Days; none keeps for ever.
    pub(crate) receipts_days: Option<u64>,
    pub(crate) incidents_days: Option<u64>,
    pub(crate) audit_days: Option<u64>,
    /// For how long old secrets go on beside a new one when nobody says.
    pub(crate) secret_overlap_seconds: u64,
    /// None for who may not see it.
    pub(crate) settings: Option<Vec<ConfiguredSetting>>,
}

pub(super) fn routes() -> Vec<Route> {
    let summary = "What this hub is, what it keeps for how long, and to admins how it is configured.";
    let access = Access::Key(Scope::Read);
    vec![Route::new(MethodFilter::GET, "/api/v1/about", access, "about", summary, get).answers(200, "About")]
}

async fn get(State(app): State<App>, caller: Caller) -> Result<Json<About>, ApiError> {
    Ok(Json(about(&app, caller.scope()).await?))
}

/// What is told of this hub to whoever may do this much.
pub(crate) async fn about(app: &App, scope: Scope) -> Result<About, ApiError> {
    let days = |age: Option<Duration>| age.map(|age| age.as_secs() / 86_400);
    let (kept, started_at) = (app.engine.retention(), app.engine.opened_at());
    Ok(About {
        version: env!("CARGO_PKG_VERSION"),
        license: env!("CARGO_PKG_LICENSE"),
        started_at,
        uptime_seconds: app.now().since(started_at).as_secs(),
        store: app.store().facts().await?,
        receipts_days: days(kept.receipts),
        incidents_days: days(kept.incidents),
        audit_days: days(Some(limits::AUDIT_AGE_MAX)),
        secret_overlap_seconds: limits::SECRET_OVERLAP_DEFAULT.as_secs(),
        settings: (scope == Scope::Admin).then(|| app.settings.configured.clone()),
    })
}
