//! `GET /api/v1/audit`: who changed what of the configuration, and who signed in.

use axum::{Json, extract::State};
use bugle_model::{AuditAction, AuditRecord, Page, Scope};
use bugle_store::AuditFilter;

use super::{CURSOR, LIMIT, MethodFilter, Param, Route};
use crate::{
    access::Access,
    app::App,
    error::ApiError,
    input::{Query, one_of},
};

const ABOUT: Param = Param {
    name: "about",
    doc: "What was changed: `integration`, `destination`, `api_key`, `user`; `sign_in` for who signed in.",
};
const ACTOR: Param = Param { name: "actor", doc: "Part of the name of who did it." };
const SUBJECT: Param = Param { name: "subject", doc: "The id of what was changed." };

pub(super) fn routes() -> Vec<Route> {
    let summary = "Who changed what of the configuration, and who signed in; newest first. Kept for a year.";
    let access = Access::Key(Scope::Admin);
    vec![
        Route::new(MethodFilter::GET, "/api/v1/audit", access, "list_audit", summary, list)
            .query(&[ABOUT, ACTOR, SUBJECT, LIMIT, CURSOR])
            .answers(200, "AuditPage"),
    ]
}

async fn list(State(app): State<App>, query: Query) -> Result<Json<Page<AuditRecord>>, ApiError> {
    Ok(Json(app.store().audit(filter(&query)?, query.page()?).await?))
}

/// Which entries a query asks for.
pub(crate) fn filter(query: &Query) -> Result<AuditFilter, ApiError> {
    let mut known: Vec<_> = AuditAction::ALL.iter().map(|action| (action.about(), action.about())).collect();
    known.dedup();
    let about = query.one("about").map(|text| one_of("about", text, &known)).transpose()?;
    let text = |name| query.one(name).map(str::to_owned);
    Ok(AuditFilter { about: about.map(str::to_owned), actor: text("actor"), subject: text("subject") })
}
