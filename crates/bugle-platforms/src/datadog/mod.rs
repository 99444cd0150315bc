//! Datadog's webhooks integration: <https://docs.datadoghq.com/integrations/webhooks/>.
//!
//! The body is whatever the person who set up the webhook wrote, with `$VARIABLES` replaced in its text. Understood are
//! the payload that `SETUP.md` recommends, Datadog's default payload, the short payload that Overwatch documents, each as
//! JSON or as a form, and JSON that a variable without a value has broken.
//!
//! - `decode`: what the fields mean.
//! - `headline`: the state, priority and group that Datadog writes into titles.
//! - `torn`: reading JSON that is none.

use serde_json::{Map, Value};

use crate::{
    credentials,
    scheme::{Hmac, Scheme},
    source::{DecodeError, Decoded, Inbound, Names, Sample, SamplePhase, SenderRetry, Setting, Source},
};

mod decode;
mod headline;
mod sample;
mod torn;

/// Datadog as a source.
#[derive(Debug)]
pub struct Datadog;

impl Source for Datadog {
    fn slug(&self) -> &'static str {
        "datadog"
    }

    fn title(&self) -> &'static str {
        "Datadog"
    }

    fn authentication(&self) -> &'static str {
        "The secret in a custom header (`X-Bugle-Token`), as Basic or Bearer authorization, or as `?token=`; Datadog signs nothing. \
         A relay may sign the body in `X-Datadog-Signature: sha256=`."
    }

    fn schemes(&self, settings: &Map<String, Value>) -> Vec<Scheme> {
        let mut schemes = credentials::unsigned(settings);
        schemes.push(Scheme::Hmac(Hmac::sha256_hex("X-Datadog-Signature", "sha256=")));
        schemes
    }

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
