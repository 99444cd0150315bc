//! PagerDuty's webhooks about incidents: <https://developer.pagerduty.com/docs/webhooks-overview>.
//!
//! V3 subscriptions are what PagerDuty offers today. V2 extensions (unsupported since 2022, still sending) and V1 are
//! read as well, and V2's envelope with V3's event names, which Overwatch documents.
//!
//! - `v3`: one event in a call.
//! - `messages`: V2 and V1.
//! - `incident`: what the incident itself says, which both share.

use serde_json::{Map, Value};

use crate::{
    credentials, json,
    scheme::{Hmac, Scheme},
    source::{DecodeError, Decoded, Inbound, Sample, SamplePhase, SenderRetry, Setting, Source},
};

mod incident;
mod messages;
mod sample;
mod v3;

/// PagerDuty as a source.
#[derive(Debug)]
pub struct PagerDuty;

impl Source for PagerDuty {
    fn slug(&self) -> &'static str {
        "pagerduty"
    }

    fn title(&self) -> &'static str {
        "PagerDuty"
    }

    fn authentication(&self) -> &'static str {
        "HMAC-SHA256 of the body in `X-PagerDuty-Signature: v1=`, one signature for each of the subscription's secrets. \
         Without one: Basic or Bearer authorization, the secret in a custom header (`X-Bugle-Token`), or `?token=`."
    }

    /// <https://developer.pagerduty.com/docs/verifying-webhook-signatures>
    fn schemes(&self, settings: &Map<String, Value>) -> Vec<Scheme> {
        let signature = Hmac::sha256_hex("X-PagerDuty-Signature", "v1=").separated_by(',');
        let mut schemes = vec![Scheme::Hmac(signature)];
        schemes.extend(credentials::unsigned(settings));
        schemes
    }

    /// 429 is tried again for 48 hours; any other 4xx drops the event, and three drops in a row stop the subscription.
    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::TooManyRequests
    }

    fn settings(&self) -> &'static [Setting] {
        &[credentials::TOKEN_HEADER_SETTING]
    }

    fn check_settings(&self, settings: &Map<String, Value>) -> Result<(), String> {
        credentials::check_token_header(settings)
    }

    fn decode(&self, inbound: &Inbound<'_>, _: &Map<String, Value>) -> Result<Decoded, DecodeError> {
        let document = json::parse(inbound.body)?;
        let delivery_id = || delivery_id(&document, inbound);
        if document.get("event").is_some_and(json::Value::is_object) {
            return Ok(v3::decode(&document)?.delivered_as(delivery_id()));
        }
        if document.get("messages").is_some_and(json::Value::is_array) {
            return Ok(messages::decode(&document)?.delivered_as(delivery_id()));
        }
        Err(DecodeError::NotUnderstood(
            "the body has neither `event` (V3) nor `messages` (V2): add this address as a V3 webhook subscription in \
             PagerDuty (Integrations > Generic Webhooks)"
                .into(),
        ))
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: bugle_model::Timestamp) -> Sample {
        sample::sample(phase, key, at)
    }
}

/// The event's id, which is signed and stays the same while PagerDuty tries again for two days. `X-Webhook-Id` does as
/// well, but stands in no documentation and under no signature, so it counts only where the body holds no id.
fn delivery_id(document: &json::Value, inbound: &Inbound<'_>) -> Option<String> {
    let told = document.text_at("event.id").or_else(|| match document.get("messages")?.items() {
        [message] => message.text_at("id"),
        _ => None,
    });
    let header = inbound.header("x-webhook-id").map(str::trim).filter(|id| !id.is_empty());
    told.or_else(|| header.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_named_by_its_event() {
        let headers = [("x-webhook-id".to_owned(), "w-1".to_owned())];
        for (body, headers, expected) in [
            (r#"{"event": {"id": "E1"}}"#, &headers[..], Some("E1")),
            (r#"{"event": {"id": "E1"}}"#, &[], Some("E1")),
            (r#"{"event": {}}"#, &headers, Some("w-1")),
            (r#"{"messages": [{"id": "M1"}]}"#, &[], Some("M1")),
            (r#"{"messages": [{"id": "M1"}, {"id": "M2"}]}"#, &headers, Some("w-1")),
            (r#"{"messages": [{}]}"#, &[], None),
        ] {
            let inbound = Inbound { query: "", headers, body: body.as_bytes() };
            let document = json::parse(inbound.body).unwrap();
            assert_eq!(delivery_id(&document, &inbound).as_deref(), expected, "{body}");
        }
    }
}
