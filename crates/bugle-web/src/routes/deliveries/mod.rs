//! `/api/v1/deliveries`: events on their way, and every attempt to get them there.

mod all;
mod one;
mod redeliver;

use super::{CURSOR, LIMIT, MethodFilter, Param, Route};

pub(super) fn routes() -> Vec<Route> {
    [all::routes(), one::routes(), redeliver::routes()].into_iter().flatten().collect()
}
