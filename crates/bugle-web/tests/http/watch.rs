//! Bugle looks after itself: what is wrong with it goes the way of every incident.

use std::time::Duration;

use bugle_engine::watch::Watch;
use bugle_web::WebSettings;
use serde_json::{Value, json};

use crate::{
    bugle::{TestBugle, until},
    receiver::Receiver,
};

/// What a receiver was sent of Bugle's own incidents.
fn told(receiver: &Receiver) -> Vec<Value> {
    let bodies = receiver.received().into_iter().map(|call| call.body);
    bodies.filter(|body| body["incident"]["platform"] == "bugle").collect()
}

#[tokio::test]
async fn a_destination_that_fails_is_told_of_at_the_others_until_it_works_again() {
    let watch = Watch { backlog: Some(Duration::from_millis(300)), inbox: None };
    let bugle = TestBugle::watching(WebSettings::default(), watch).await;
    let (broken, sound) = (Receiver::start().await, Receiver::start().await);
    broken.answer_with(500);
    let often = json!({"max_attempts": 1000, "initial_delay_ms": 20, "max_delay_ms": 50});
    for (name, receiver) in [("Broken", &broken), ("Sound", &sound)] {
        let circuit = json!({"failure_threshold": 3, "open_ms": 100});
        let body = json!({"name": name, "url": receiver.url(), "retry": often, "circuit": circuit,
        "template": {"event": "{{event.type}}", "incident": {
            "platform": "{{incident.platform}}", "title": "{{incident.title}}", "status": "{{incident.status}}"
        }}});
        bugle.post("/api/v1/destinations", body).await;
    }
    let hook = bugle.integration("datadog", None).await;
    let body = br#"{"id": "m-1", "alert_name": "Disk full", "alert_type": "error"}"#;
    assert_eq!(hook.send(&[], body).await.status, 200);

    let first = until("the incident at the other destination", || async { told(&sound).into_iter().next() });
    let first = first.await;
    assert_eq!(first["event"], "incident.created");
    assert_eq!(first["incident"]["title"], "Deliveries to \"Broken\" wait");
    let page = bugle.get("/api/v1/incidents?platform=bugle").await;
    let [incident] = page["data"].as_array().unwrap().as_slice() else { panic!("one incident: {page}") };
    assert_eq!((&incident["status"], &incident["verified"]), (&json!("open"), &json!(true)));
    let integration = incident["integration_id"].as_str().unwrap();
    let shown = bugle.get(&format!("/api/v1/integrations/{integration}")).await;
    assert_eq!((&shown["built_in"], &shown["name"]), (&json!(true), &json!("Bugle itself")));

    broken.answer_with(200);
    let path = format!("/api/v1/incidents/{}", incident["id"].as_str().unwrap());
    until("its end", || async { (bugle.get(&path).await["status"] == "fixed").then_some(()) }).await;
    for receiver in [&sound, &broken] {
        let last = until("the end at both", || async {
            told(receiver).into_iter().find(|body| body["event"] == "incident.resolved")
        });
        assert_eq!(last.await["incident"]["status"], "fixed");
    }
}

#[tokio::test]
async fn nobody_else_speaks_for_bugle() {
    let bugle = TestBugle::start().await;
    let path = "/api/v1/webhooks/bugle/int_0000000000001";
    let refused =
        bugle.call("POST", path, json!({"signals": [{"fingerprint": "inbox", "title": "forged"}]})).await;
    refused.expect_error(404, "INTEGRATION_NOT_FOUND");
    let refused = bugle.call("POST", "/api/v1/integrations", json!({"platform": "bugle"})).await;
    refused.expect_error(422, "VALIDATION_FAILED");
    let refused = bugle.call("DELETE", "/api/v1/integrations/int_0000000000001", Value::Null).await;
    refused.expect_error(422, "VALIDATION_FAILED");
    assert_eq!(bugle.get("/api/v1/integrations").await["data"], json!([]));
}
