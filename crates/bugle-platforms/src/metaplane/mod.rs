//! Metaplane's incident webhooks, both ways: <https://docs.metaplane.dev/docs/webhooks>.
//!
//! - `source`: an incident becomes one signal for each monitor that it affects.
//! - `labels`: what people say of an incident by labelling it.
//! - `dialect`: an incident as Metaplane writes one.
//! - `sample`: a realistic call.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bugle_model::Timestamp;

mod dialect;
mod labels;
mod sample;
mod source;
#[cfg(test)]
mod tests;

pub use dialect::MetaplaneDialect;
pub use source::Metaplane;

/// Its name in URLs, the API and metrics.
const SLUG: &str = "metaplane";

/// Its name for people.
const TITLE: &str = "Metaplane";

/// Base64 of the incident's id, a hyphen, and when it was updated: what Metaplane's own ids hold.
fn idempotency_id(id: &str, updated_at: Timestamp) -> String {
    STANDARD.encode(format!("{id}-{updated_at}"))
}
