//! New Relic's webhook destinations:
//! <https://docs.newrelic.com/docs/alerts/get-notified/notification-integrations/#webhook>.
//!
//! The body is a Handlebars template. Understood are the workflows' default, the body that channels had before they were
//! moved to workflows ("incident"), the form that New Relic sent in 2013, and the short one that Overwatch documents.
//! They overlap so far that one reading fits all of them.
//!
//! - `decode`: what the fields mean.
//! - `status`: whether an issue is open, acknowledged or closed, which takes more than one field.

use serde_json::{Map, Value};

use crate::{
    credentials,
    scheme::{Hmac, Scheme},
    source::{DecodeError, Decoded, Inbound, Names, Sample, SamplePhase, SenderRetry, Setting, Source},
};

mod decode;
mod sample;
mod status;

/// New Relic as a source.
#[derive(Debug)]
pub struct NewRelic;

impl Source for NewRelic {
    fn slug(&self) -> &'static str {
        "newrelic"
    }

    fn title(&self) -> &'static str {
        "New Relic"
    }

    fn authentication(&self) -> &'static str {
        "The secret as Bearer or Basic authorization of the destination, in a custom header (`X-Bugle-Token`), or as `?token=`; \
         New Relic signs nothing. A relay may sign the body in `X-NewRelic-Signature: sha256=`."
    }

    fn schemes(&self, settings: &Map<String, Value>) -> Vec<Scheme> {
        let mut schemes = credentials::unsigned(settings);
        schemes.push(Scheme::Hmac(Hmac::sha256_hex("X-NewRelic-Signature", "sha256=")));
        schemes
    }

    /// New Relic publishes no rule; a 503 is what every sender knows.
    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::ServerErrorsOnly
    }

    fn settings(&self) -> &'static [Setting] {
        &[credentials::TOKEN_HEADER_SETTING]
    }

    fn check_settings(&self, settings: &Map<String, Value>) -> Result<(), String> {
        credentials::check_token_header(settings)
    }

    fn decode(&self, inbound: &Inbound<'_>, _: &Map<String, Value>) -> Result<Decoded, DecodeError> {
        decode::decode(inbound.body)
    }

    fn names(&self, inbound: &Inbound<'_>, _: &Map<String, Value>) -> Option<Names> {
        decode::names(inbound.body)
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: bugle_model::Timestamp) -> Sample {
        sample::sample(phase, key, at)
    }
}
