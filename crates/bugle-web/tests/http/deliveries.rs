//! `/api/v1/deliveries`.

use serde_json::{Value, json};

use crate::{
    bugle::{TestBugle, until},
    receiver::Receiver,
};

#[tokio::test]
async fn a_delivery_shows_every_attempt_and_can_be_sent_again() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    let body = json!({"url": receiver.url(), "headers": {"X-Api-Key": "h-secret"}});
    let made = bugle.post("/api/v1/destinations", body).await;
    let hook = bugle.integration("datadog", None).await;
    hook.send(&[], br#"{"id": "mon-1", "alert_name": "Disk full", "alert_type": "error"}"#).await;
    let list = format!("/api/v1/deliveries?destination_id={}&state=delivered", made["id"].as_str().unwrap());
    let delivered = until("the delivery", || async {
        bugle.get(&list).await["data"].as_array().unwrap().first().cloned()
    })
    .await;
    let path = format!("/api/v1/deliveries/{}", delivered["id"].as_str().unwrap());
    let shown = bugle.get(&path).await;
    let attempt = &shown["attempt_log"][0];
    assert_eq!(
        (&attempt["response"]["status"], &attempt["request"]["method"]),
        (&json!(200), &json!("POST"))
    );
    let text = shown.to_string();
    assert!(!text.contains("h-secret") && !text.contains(made["secret"].as_str().unwrap()), "{text}");
    let incident = shown["incident_id"].as_str().unwrap();
    let of_incident = bugle.get(&format!("/api/v1/incidents/{incident}/deliveries")).await;
    assert_eq!(of_incident["data"].as_array().unwrap().len(), 1);
    bugle.post(&format!("{path}/redeliver"), Value::Null).await;
    until("it to arrive again", || async { (receiver.received().len() == 2).then_some(()) }).await;
    until("it to be recorded", || async {
        let shown = bugle.get(&path).await;
        (shown["attempt_log"].as_array().unwrap().len() == 2 && shown["state"] == "delivered").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_on_its_way_is_not_redelivered() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(500);
    bugle.post("/api/v1/destinations", json!({"url": receiver.url()})).await;
    let hook = bugle.integration("datadog", None).await;
    hook.send(&[], br#"{"id": "mon-1", "alert_name": "Disk full", "alert_type": "error"}"#).await;
    let pending = until("a failed attempt", || async {
        let page = bugle.get("/api/v1/deliveries?state=pending").await;
        page["data"].as_array().unwrap().iter().find(|one| one["attempts"] == 1).cloned()
    })
    .await;
    assert!(pending["next_attempt_at"].is_string() && pending["reason"].is_string(), "{pending}");
    let path = format!("/api/v1/deliveries/{}", pending["id"].as_str().unwrap());
    bugle.call("POST", &format!("{path}/redeliver"), Value::Null).await.expect_error(409, "WRONG_STATE");
    for id in ["dlv_0000000000000", "x"] {
        let path = format!("/api/v1/deliveries/{id}");
        bugle.call("GET", &path, Value::Null).await.expect_error(404, "DELIVERY_NOT_FOUND");
        bugle
            .call("POST", &format!("{path}/redeliver"), Value::Null)
            .await
            .expect_error(404, "DELIVERY_NOT_FOUND");
    }
}
