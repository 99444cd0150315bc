//! Monte Carlo's webhooks about alerts and their updates, both ways: <https://docs.getmontecarlo.com/docs/webhooks>.
//!
//! A call names no event: it holds the alert and the fields that changed, and what happened is told by comparing with
//! what was known. Where these fields stand is not documented; they are read from the outermost object, then from
//! `payload`, and written in the outermost object.
//!
//! - `source`: one call becomes one signal.
//! - `words`: the vendor's words for statuses, severities and comparisons, in both directions.
//! - `dialect`: an incident as an alert of Monte Carlo.
//! - `sample`: a realistic call.
//!
//! The form that is signed in place of the body is in [`crate::scheme`].

use crate::scheme::{Algorithm, Encoding, Hmac, Signed};

mod dialect;
mod sample;
mod source;
#[cfg(test)]
mod tests;
mod words;

pub use dialect::MonteCarloDialect;
pub use source::MonteCarlo;

/// Its name in URLs, the API and metrics.
const SLUG: &str = "montecarlo";

/// Its name for people.
const TITLE: &str = "Monte Carlo";

/// The header that carries the signature.
const SIGNATURE_HEADER: &str = "x-mcd-signature";

/// Breaches of rules that people wrote.
const TYPE_RULE: &str = "open_custom_rule_anomaly_incident";

/// What Monte Carlo found by itself.
const TYPE_ANOMALY: &str = "open_anomaly_incident";

/// The version of the document.
const VERSION: &str = "v0.1";

/// How Monte Carlo signs: SHA-512 in hexadecimal over the form that Python makes of the body.
fn signature() -> Hmac {
    Hmac::new(Algorithm::Sha512, Encoding::Hex, SIGNATURE_HEADER, "").over(Signed::PythonUrlencode)
}
