//! `/api/v1/receipts`: every call as it came, those in quarantine included.

mod all;
mod one;
mod replay;
mod reverify;
mod shown;

pub(crate) use shown::{shown_query, shown_value};

use super::{CURSOR, LIMIT, MethodFilter, Param, Route};

pub(super) fn routes() -> Vec<Route> {
    [all::routes(), one::routes(), replay::routes(), reverify::routes()].into_iter().flatten().collect()
}
