//! `/api/v1/webhooks`: where senders call.

mod health;
mod ingest;

use super::{MethodFilter, Route};

pub(super) use ingest::accepted;
pub(crate) use ingest::{Hook, receive};

pub(super) fn routes() -> Vec<Route> {
    health::routes().into_iter().chain(ingest::routes()).collect()
}
