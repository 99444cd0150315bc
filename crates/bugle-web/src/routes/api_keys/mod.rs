//! `/api/v1/api-keys`: who may call this API.

mod all;
mod one;

use super::{CURSOR, LIMIT, MethodFilter, Route};

pub(super) fn routes() -> Vec<Route> {
    all::routes().into_iter().chain(one::routes()).collect()
}
