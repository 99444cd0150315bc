//! Replacing secrets without losing a call, both ways, and what a caller with the wrong one is told.

use bugle_model::{Clock, Secret, SecretId, SystemClock, Timestamp, Verification};
use bugle_platforms::{
    Inbound,
    scheme::{Hmac, Scheme, Sealer, VerifyContext, verify},
};
use serde_json::{Value, json};

use crate::{
    bugle::{TestBugle, hmac_hex},
    receiver::{Received, Receiver},
};

const BODY: &[u8] = br#"{"id": "m-1", "alert_name": "A", "alert_type": "error"}"#;

/// Whether a receiver that knows only `secret` takes the request.
fn accepts(secret: &str, request: &Received) -> bool {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers: Vec<_> =
        request.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let now = SystemClock.now();
    let secret = Secret {
        id: SecretId::from_i64(1),
        value: secret.to_owned().into(),
        created_at: now,
        expires_at: None,
    };
    let verdict = verify(
        &[Scheme::Hmac(Hmac::standard_webhooks())],
        &[&secret],
        &Inbound { query: "", headers: &headers, body: &request.bytes },
        &VerifyContext { now, sealer: &Sealer::new([0; 32]), stored: false },
    );
    matches!(verdict, Verification::Verified { .. })
}

fn seconds_between(from: &Value, to: &Value) -> i64 {
    let read = |time: &Value| time.as_str().unwrap().parse::<Timestamp>().unwrap().as_seconds();
    read(to) - read(from)
}

#[tokio::test]
async fn during_the_overlap_both_receivers_accept_and_afterwards_only_the_new_one() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    let made = bugle.post("/api/v1/destinations", json!({"url": receiver.url()})).await;
    let path = format!("/api/v1/destinations/{}", made["id"].as_str().unwrap());
    let mut secrets = vec![made["secret"].as_str().unwrap().to_owned()];
    for (overlap, accepted) in [(600, [true, true, false]), (0, [false, false, true])] {
        let added =
            bugle.call("POST", &format!("{path}/secrets"), json!({"overlap_seconds": overlap})).await.json();
        secrets.push(added["secret"].as_str().unwrap().to_owned());
        bugle.post(&format!("{path}/verify"), Value::Null).await;
        let request = receiver.received().pop().unwrap();
        for (secret, expected) in secrets.iter().zip(accepted) {
            assert_eq!(accepts(secret, &request), expected, "after an overlap of {overlap}");
        }
    }
}

#[tokio::test]
async fn a_removed_secret_signs_no_more() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    let made = bugle.post("/api/v1/destinations", json!({"url": receiver.url()})).await;
    let path = format!("/api/v1/destinations/{}", made["id"].as_str().unwrap());
    let old = made["secret"].as_str().unwrap();
    let old_id = made["secrets"][0]["id"].as_str().unwrap();
    let added = bugle.call("POST", &format!("{path}/secrets"), json!({})).await.json();
    assert_eq!(bugle.call("DELETE", &format!("{path}/secrets/{old_id}"), Value::Null).await.status, 204);
    bugle.post(&format!("{path}/verify"), Value::Null).await;
    let request = receiver.received().pop().unwrap();
    assert!(accepts(added["secret"].as_str().unwrap(), &request) && !accepts(old, &request));
    bugle
        .call("DELETE", &format!("{path}/secrets/{old_id}"), Value::Null)
        .await
        .expect_error(404, "SECRET_NOT_FOUND");
}

#[tokio::test]
async fn old_secrets_end_after_a_day_unless_said_otherwise() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", Some("the old one")).await;
    let path = format!("/api/v1/integrations/{}", hook.id);
    bugle.call("POST", &format!("{path}/secrets"), json!({"secret": "the new one"})).await;
    let shown = bugle.get(&path).await;
    let secrets = shown["secrets"].as_array().unwrap();
    assert_eq!((secrets.len(), &secrets[1]["expires_at"]), (2, &Value::Null), "{shown}");
    let overlap = seconds_between(&secrets[1]["created_at"], &secrets[0]["expires_at"]);
    assert_eq!(overlap, 24 * 3600);
    let old_id = secrets[0]["id"].as_str().unwrap();
    let new_id = secrets[1]["id"].as_str().unwrap();
    assert_eq!(bugle.call("DELETE", &format!("{path}/secrets/{old_id}"), Value::Null).await.status, 204);
    for (secret, status) in [("the old one", 401), ("the new one", 200)] {
        let signature = format!("sha256={}", hmac_hex(secret, BODY));
        assert_eq!(hook.send(&[("x-datadog-signature", &signature)], BODY).await.status, status, "{secret}");
    }
    // Without the last one, anybody would be taken in.
    bugle
        .call("DELETE", &format!("{path}/secrets/{new_id}"), Value::Null)
        .await
        .expect_error(422, "VALIDATION_FAILED");
    assert_eq!(hook.send(&[], BODY).await.status, 401);
}

#[tokio::test]
async fn a_caller_is_told_what_is_wrong_and_whose_secret_it_is_only_in_the_receipt() {
    let bugle = TestBugle::start().await;
    let other = bugle.hook(json!({"platform": "datadog", "name": "Shop EU", "secret": "harbour-eu"})).await;
    let hook = bugle.integration("datadog", Some("harbour-old")).await;
    let path = format!("/api/v1/integrations/{}/secrets", hook.id);
    bugle.call("POST", &path, json!({"secret": "harbour-new", "overlap_seconds": 0})).await;
    let signed = |secret: &str, body: &[u8]| format!("sha256={}", hmac_hex(secret, body));
    let compact = br#"{"id":"m-1","alert_name":"A","alert_type":"error"}"#;
    for (header, value, expected) in [
        ("x-datadog-signature", signed("harbour-eu", BODY), "secret_of_another_integration"),
        ("x-datadog-signature", signed("harbour-old", BODY), "secret_expired"),
        ("x-datadog-signature", signed("harbour-new\n", BODY), "secret_with_whitespace"),
        ("x-datadog-signature", signed("harbour-new", compact), "body_reserialised"),
        ("x-data-dog-signature", signed("harbour-new", BODY), "signature_misspelt_header"),
        ("x-hub-signature-256", signed("harbour-new", BODY), "signature_in_another_header"),
        ("x-datadog-signature", signed("nobody's", BODY), "signature_mismatch"),
    ] {
        let answer = hook.send(&[(header, &value)], BODY).await;
        let error = answer.expect_error(401, "WEBHOOK_VALIDATION_FAILED").json()["error"].clone();
        assert_eq!(error["details"]["reason"], expected, "{error}");
        let told = error.to_string();
        assert!(
            !told.contains("Shop EU") && !told.contains(&other.id) && !told.contains("harbour"),
            "{told}"
        );
        let id = error["details"]["receipt_id"].as_str().unwrap();
        let receipt = bugle.get(&format!("/api/v1/receipts/{id}")).await;
        assert_eq!(receipt["verification"]["reason"], expected, "{receipt}");
        let problem = receipt["problem"].as_str().unwrap();
        let is_named = problem.contains("Shop EU") && problem.contains(&other.id);
        assert_eq!(is_named, expected == "secret_of_another_integration", "{problem}");
    }
}
