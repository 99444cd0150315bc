//! `/api/v1/receipts`.

use serde_json::{Value, json};

use crate::bugle::{TestBugle, hmac_hex};

const BODY: &[u8] = br#"{"id": "mon-7781", "alert_name": "Checkout latency", "alert_type": "error"}"#;

#[tokio::test]
async fn a_receipt_shows_everything_but_credentials() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", Some("tok-secret-1")).await;
    let headers =
        [("authorization", "Bearer tok-secret-1"), ("x-trace", "t-9"), ("cookie", "session=c-secret")];
    let answer = hook.send(&headers, BODY).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    bugle.drain().await;
    let id = answer.json()["data"]["receipt_id"].as_str().unwrap().to_owned();
    let receipt = bugle.get(&format!("/api/v1/receipts/{id}")).await;
    let text = receipt.to_string();
    assert!(
        !text.contains("tok-secret-1") && !text.contains("c-secret") && !text.contains("sealed"),
        "{text}"
    );
    let headers = receipt["headers"].as_array().unwrap();
    assert!(
        headers.contains(&json!(["x-trace", "t-9"]))
            && headers.contains(&json!(["authorization", "[hidden]"]))
    );
    assert_eq!(
        (&receipt["state"], &receipt["verification"]["verdict"]),
        (&json!("processed"), &json!("verified"))
    );
    assert_eq!((&receipt["method"], &receipt["remote_ip"]), (&json!("POST"), &json!("127.0.0.1")));
    assert_eq!(receipt["signals"][0]["meaning"], "opened");
    assert_eq!(receipt["signals"][0]["incident_id"], bugle.only_incident().await["id"]);
}

#[tokio::test]
async fn a_mended_secret_releases_what_was_rejected() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", Some("the wrong one")).await;
    let signature = format!("sha256={}", hmac_hex("the right one", BODY));
    let answer = hook.send(&[("x-datadog-signature", &signature)], BODY).await;
    answer.expect_error(401, "WEBHOOK_VALIDATION_FAILED");
    let id = answer.json()["error"]["details"]["receipt_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/receipts/{id}");
    assert_eq!(bugle.post(&format!("{path}/reverify"), Value::Null).await["state"], "rejected");
    bugle.call("POST", &format!("{path}/replay"), Value::Null).await.expect_error(409, "WRONG_STATE");
    bugle
        .post(&format!("/api/v1/integrations/{}/secrets", hook.id), json!({"secret": "the right one"}))
        .await;
    let released = bugle.post(&format!("{path}/reverify"), Value::Null).await;
    assert_eq!(released["verification"]["verdict"], "verified", "{released}");
    assert_eq!(bugle.only_incident().await["title"], "Checkout latency");
    assert_eq!(bugle.get(&path).await["state"], "processed");
}

#[tokio::test]
async fn a_mended_mapping_releases_what_was_not_understood() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("custom", None).await;
    let answer = hook.send(&[], br#"{"zustand": "an", "name": {"kurz": "Platte voll"}}"#).await;
    assert_eq!(answer.json()["data"]["processing_status"], "quarantined", "{answer:?}");
    let id = answer.json()["data"]["receipt_id"].as_str().unwrap().to_owned();
    let mapping = json!({
        "title": "name.kurz",
        "fingerprint": "name.kurz",
        "status": {"path": "zustand", "values": {"an": "firing", "aus": "resolved"}},
    });
    let patch = json!({"settings": {"mapping": mapping}});
    let patched = bugle.call("PATCH", &format!("/api/v1/integrations/{}", hook.id), patch).await;
    assert_eq!(patched.status, 200, "{patched:?}");
    bugle.post(&format!("/api/v1/receipts/{id}/replay"), Value::Null).await;
    assert_eq!(bugle.only_incident().await["title"], "Platte voll");
}

#[tokio::test]
async fn a_replay_changes_nothing_that_is_known() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let answer = hook.send(&[], BODY).await;
    let before = bugle.only_incident().await;
    let id = answer.json()["data"]["receipt_id"].as_str().unwrap().to_owned();
    bugle.post(&format!("/api/v1/receipts/{id}/replay"), Value::Null).await;
    let after = bugle.only_incident().await;
    assert_eq!((&after["id"], &after["sequence"]), (&before["id"], &before["sequence"]));
}

#[tokio::test]
async fn the_list_pages_newest_first() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    for _ in 0..3 {
        hook.send(&[], BODY).await;
    }
    let path = format!("/api/v1/receipts?integration_id={}&limit=2", hook.id);
    let first = bugle.get(&path).await;
    let second = bugle.get(&format!("{path}&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    let ids: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page["data"].as_array().unwrap())
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.windows(2).all(|two| two[0] > two[1]), "{ids:?}");
    for id in ["rcp_0000000000000", "int_0000000000000", "x"] {
        bugle
            .call("GET", &format!("/api/v1/receipts/{id}"), Value::Null)
            .await
            .expect_error(404, "RECEIPT_NOT_FOUND");
        let replay = format!("/api/v1/receipts/{id}/replay");
        bugle.call("POST", &replay, Value::Null).await.expect_error(404, "RECEIPT_NOT_FOUND");
    }
}
