//! Every route, in one table: it builds the router, says who may call what, and is what the OpenAPI document is written
//! from. Each endpoint is a file whose path mirrors its URL; methods of one URL share it.

mod about;
mod api_keys;
mod audit;
mod deliveries;
mod destinations;
mod fallback;
mod healthz;
mod incidents;
mod integrations;
mod me;
mod metrics;
mod openapi;
mod overview;
mod readyz;
mod receipts;
mod root;
mod stream;
mod users;
pub(crate) mod webhooks;

use std::collections::BTreeMap;

use axum::{
    Router,
    handler::Handler,
    middleware,
    routing::{MethodFilter, MethodRouter, on},
};
use bugle_model::{Page, limits};
use bugle_store::PageRequest;
use http::Method;
use serde_json::Value;

use crate::{
    access::{Access, Gate, pass},
    app::App,
    ui,
};

pub(crate) use about::about;
pub(crate) use audit::filter as audit_filter;
pub(crate) use destinations::shown_headers;
pub(crate) use incidents::{Routed, Routing, filter as incident_filter, routing, sequence};
pub(crate) use integrations::{base_url, webhook_url};
pub(crate) use receipts::{shown_query, shown_value};

/// A parameter of a query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
}

/// The parameters of every list.
pub(crate) const LIMIT: Param = Param { name: "limit", doc: "Rows on a page: 1 to 200, 50 unless given." };
pub(crate) const CURSOR: Param =
    Param { name: "cursor", doc: "`next_cursor` of the page before; the first page without it." };
const PAGED: &[Param] = &[LIMIT, CURSOR];

/// One route: all that is known of it.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// Its name in the OpenAPI document, and so in generated clients.
    pub(crate) operation: &'static str,
    pub(crate) summary: &'static str,
    /// `None`: any parameter passes.
    pub(crate) query: Option<&'static [Param]>,
    /// The schema of the JSON body it reads: its name among the document's components.
    pub(crate) body: Option<&'static str>,
    /// The status and the schema of its answer; no schema where it is not JSON or empty.
    pub(crate) answer: (u16, Option<&'static str>),
    /// Whether it answers with a stream of what the schema describes.
    pub(crate) is_stream: bool,
    handler: MethodRouter<App>,
}

impl Route {
    fn new<H, T>(
        method: MethodFilter,
        path: &'static str,
        access: Access,
        operation: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        Self {
            method: method_of(method),
            path,
            access,
            operation,
            summary,
            query: Some(&[]),
            body: None,
            answer: (200, None),
            is_stream: false,
            handler: on(method, handler),
        }
    }

    /// The parameters it knows; any other is refused.
    const fn query(mut self, known: &'static [Param]) -> Self {
        self.query = Some(known);
        self
    }

    /// Lets any parameter pass.
    const fn any_query(mut self) -> Self {
        self.query = None;
        self
    }

    /// The schema of the body it reads.
    const fn reads(mut self, schema: &'static str) -> Self {
        self.body = Some(schema);
        self
    }

    /// The status and the schema of its answer.
    const fn answers(mut self, status: u16, schema: &'static str) -> Self {
        self.answer = (status, Some(schema));
        self
    }

    /// It answers with server-sent events whose data has this schema.
    const fn streams(mut self, schema: &'static str) -> Self {
        self.answer = (200, Some(schema));
        self.is_stream = true;
        self
    }

    /// It answers 204.
    const fn answers_nothing(mut self) -> Self {
        self.answer = (204, None);
        self
    }
}

fn method_of(filter: MethodFilter) -> Method {
    match filter {
        MethodFilter::POST => Method::POST,
        MethodFilter::PUT => Method::PUT,
        MethodFilter::PATCH => Method::PATCH,
        MethodFilter::DELETE => Method::DELETE,
        _ => Method::GET,
    }
}

/// Every route.
pub(crate) fn table() -> Vec<Route> {
    let rooms = [
        root::routes(),
        healthz::routes(),
        readyz::routes(),
        metrics::routes(),
        openapi::routes(),
        webhooks::routes(),
        integrations::routes(),
        destinations::routes(),
        incidents::routes(),
        receipts::routes(),
        deliveries::routes(),
        api_keys::routes(),
        users::routes(),
        me::routes(),
        overview::routes(),
        audit::routes(),
        about::routes(),
        stream::routes(),
    ];
    rooms.into_iter().flatten().collect()
}

/// The router that the table describes.
pub(crate) fn router(app: &App) -> Router {
    let mut by_path: BTreeMap<&'static str, MethodRouter<App>> = BTreeMap::new();
    for route in table() {
        let gate = Gate { app: app.clone(), access: route.access, query: route.query };
        let guarded = route.handler.route_layer(middleware::from_fn_with_state(gate, pass));
        let merged = by_path.remove(route.path).unwrap_or_default().merge(guarded);
        by_path.insert(route.path, merged);
    }
    let router =
        by_path.into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    router
        .merge(ui::router(app))
        .fallback(fallback::not_found)
        .method_not_allowed_fallback(fallback::method_not_allowed)
        .with_state(app.clone())
}

/// A page of a list that is held in memory, in order of `key`.
fn page_of<T>(rows: impl IntoIterator<Item = T>, page: PageRequest, key: impl Fn(&T) -> i64) -> Page<T> {
    let limit = usize::try_from(page.limit.min(limits::PAGE_MAX)).unwrap_or(usize::MAX);
    let after = page.cursor.map_or(i64::MIN, |cursor| cursor.0);
    let mut rows = rows.into_iter().filter(|row| key(row) > after);
    let data: Vec<_> = rows.by_ref().take(limit).collect();
    let more = rows.next().is_some();
    let next_cursor = data.last().filter(|_| more).map(|row| bugle_model::Cursor(key(row)));
    Page { data, next_cursor }
}

/// `{"data": [...]}` of values that are made one by one.
fn values<T>(page: Page<T>, view: impl FnMut(T) -> Value) -> axum::Json<Page<Value>> {
    axum::Json(page.map(view))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::scope_word;

    #[test]
    fn a_list_in_memory_pages_without_loss() {
        let rows = [1, 3, 5, 7, 9];
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = page_of(rows, PageRequest { cursor, limit: 2 }, |row| *row);
            seen.extend(page.data);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, rows);
    }

    #[test]
    fn who_may_call_what() {
        let rows: Vec<_> = table()
            .iter()
            .map(|route| {
                let access = match route.access {
                    Access::Open => "open",
                    Access::Metrics => "metrics",
                    Access::Key(scope) => scope_word(scope),
                };
                format!("{access:8} {:6} {}", route.method.as_str(), route.path)
            })
            .collect();
        insta::assert_snapshot!(rows.join("\n"));
    }

    #[test]
    fn every_operation_has_its_own_name() {
        let mut names: Vec<_> = table().iter().map(|route| route.operation).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
