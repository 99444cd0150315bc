//! Any sender that posts JSON: a script, a product without a room of its own, a person with curl.
//!
//! What the body means is the business of [`crate::mapping`]; here is only how such a call may be proven.

use serde_json::{Map, Value, json};

use crate::{
    credentials::{self, TOKEN_HEADER_SETTING},
    form, invented, json as exact,
    mapping::{MAPPING_SETTING, Mapping},
    scheme::{Hmac, Scheme},
    source::{DecodeError, Decoded, Inbound, Sample, SamplePhase, SenderRetry, Setting, Source},
};

/// Any sender that posts JSON.
#[derive(Debug, Clone, Copy)]
pub struct Custom;

const SIGNATURE_HEADER_SETTING: Setting = Setting {
    name: "signature_header",
    choices: &[],
    doc: "The header that carries `sha256=` and the HMAC-SHA256 of the body in hexadecimal. When it is set, nothing else \
          proves a call. Unset, the usual headers and tokens are tried.",
};

/// The headers in which senders like to put a signature over the body.
const SIGNATURE_HEADERS: [&str; 4] =
    ["x-bugle-signature", "x-signature", "x-hub-signature-256", "x-webhook-signature"];

impl Source for Custom {
    fn slug(&self) -> &'static str {
        "custom"
    }

    fn title(&self) -> &'static str {
        "Custom webhook"
    }

    fn authentication(&self) -> &'static str {
        "Standard Webhooks, an HMAC-SHA256 of the body as `sha256=<hex>` in X-Bugle-Signature, X-Signature, \
         X-Hub-Signature-256 or X-Webhook-Signature, Basic, Bearer, X-API-Key, X-Bugle-Token, or `?token=`."
    }

    fn schemes(&self, settings: &Map<String, Value>) -> Vec<Scheme> {
        if let Some(header) = settings.get(SIGNATURE_HEADER_SETTING.name).and_then(Value::as_str) {
            return signatures(header.trim()).into();
        }
        let mut schemes = vec![Scheme::Hmac(Hmac::standard_webhooks())];
        schemes.extend(SIGNATURE_HEADERS.into_iter().flat_map(signatures));
        schemes.extend(credentials::unsigned(settings));
        schemes.push(Scheme::header("x-api-key"));
        schemes
    }

    fn sender_retry(&self) -> SenderRetry {
        SenderRetry::TooManyRequests
    }

    fn settings(&self) -> &'static [Setting] {
        &[MAPPING_SETTING, SIGNATURE_HEADER_SETTING, TOKEN_HEADER_SETTING]
    }

    fn check_settings(&self, settings: &Map<String, Value>) -> Result<(), String> {
        credentials::check_token_header(settings)?;
        credentials::check_header(settings, &SIGNATURE_HEADER_SETTING, "X-Acme-Signature")?;
        Mapping::from_settings(settings).map(drop)
    }

    fn decode(&self, inbound: &Inbound<'_>, settings: &Map<String, Value>) -> Result<Decoded, DecodeError> {
        let mapping = Mapping::from_settings(settings).map_err(DecodeError::NotUnderstood)?;
        let document = match form::document(inbound.body, &["payload", "body", "json"]) {
            Some(document) => document,
            None => exact::parse(inbound.body)?,
        };
        Ok(mapping.decode(&document)?.delivered_as(delivery_id(inbound)))
    }

    fn sample(&self, phase: SamplePhase, key: &str, at: bugle_model::Timestamp) -> Sample {
        let queue = invented::host(key);
        let (status, depth, priority) = match phase {
            SamplePhase::Firing => ("firing", 18_204, "warning"),
            SamplePhase::Update => ("firing", 61_877, "critical"),
            SamplePhase::Resolved => ("resolved", 112, "critical"),
        };
        Sample::json(&json!({
            "id": format!("queue-depth/{key}"),
            "title": format!("Queue {queue} is growing"),
            "message": format!("{depth} messages wait; at most 10000 are fine"),
            "status": status,
            "severity": priority,
            "service": "message-broker",
            "host": "broker-2.example.com",
            "url": "https://broker.example.com/queues",
            "tags": { "queue": queue, "check": "depth" },
            "updated_at": at.to_string(),
        }))
    }
}

/// `webhook-id` is the same on every attempt by its specification, and `Idempotency-Key` by its purpose.
/// `X-Request-ID` is not taken: it names an attempt, and many proxies make one up.
fn delivery_id(inbound: &Inbound<'_>) -> Option<String> {
    ["webhook-id", "x-webhook-id", "idempotency-key"]
        .into_iter()
        .find_map(|name| inbound.header(name).map(str::trim).filter(|id| !id.is_empty()))
        .map(str::to_owned)
}

/// A signature over the body in `header`: `sha256=<hex>`, or the bare hexadecimal digits.
fn signatures(header: &str) -> [Scheme; 2] {
    ["sha256=", ""]
        .map(|prefix| Scheme::Hmac(Hmac::sha256_hex("", prefix).in_header(header.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_configured_signature_header_is_the_only_proof() {
        let names = |value| {
            let schemes = Custom.schemes(&settings(&value));
            schemes.iter().map(|scheme| scheme.name().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(json!({"signature_header": "X-Acme-Sig"})), ["X-Acme-Sig", "X-Acme-Sig"]);
        let all = names(json!({}));
        for name in ["Webhook-Signature", "X-Hub-Signature-256", "Authorization: Basic", "X-Api-Key"] {
            assert!(all.iter().any(|known| known == name), "{name} of {all:?}");
        }
    }

    #[test]
    fn settings_are_checked() {
        for (value, complaint) in [
            (json!({}), None),
            (json!({"mapping": {"title": "a.b"}, "signature_header": "X-Sig"}), None),
            (json!({"mapping": {"titel": "a"}}), Some("`titel`, which is no field")),
            (json!({"mapping": []}), Some("must be an object")),
            (json!({"signature_header": "two words"}), Some("`signature_header` must be the name")),
            (json!({"token_header": 7}), Some("`token_header` must be the name")),
        ] {
            let checked = Custom.check_settings(&settings(&value));
            match complaint {
                None => assert_eq!(checked, Ok(()), "{value}"),
                Some(complaint) => assert!(checked.unwrap_err().contains(complaint), "{value}"),
            }
        }
    }

    #[test]
    fn a_request_id_is_no_delivery_id() {
        for (name, expected) in
            [("webhook-id", Some("7")), ("idempotency-key", Some("7")), ("x-request-id", None)]
        {
            let headers = [(name.to_owned(), " 7 ".to_owned())];
            let inbound = Inbound { query: "", headers: &headers, body: b"" };
            assert_eq!(delivery_id(&inbound).as_deref(), expected, "{name}");
        }
    }
}
