//! `/api/v1/destinations`.

use serde_json::{Value, json};

use crate::{
    bugle::{TestBugle, until},
    receiver::Receiver,
};

const ALERT: &[u8] =
    br#"{"id": "mon-7781", "alert_name": "Checkout latency", "alert_type": "error", "severity": "critical"}"#;

#[tokio::test]
async fn the_documented_configuration_is_accepted_as_it_stands() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    let config = json!({
        "url": receiver.url(),
        "method": "POST",
        "headers": {"Authorization": "Bearer {{api_token}}", "Content-Type": "application/json"},
        "events": ["incident.created", "incident.resolved"],
        "template": {
            "incident_id": "{{incident.id}}",
            "title": "{{incident.title}}",
            "severity": "{{incident.severity}}",
            "status": "{{incident.status}}",
        },
    });
    let made = bugle.post("/api/v1/destinations", json!({"webhook_config": config})).await;
    assert_eq!(made["dialect"], "template");
    let token = made["secret"].as_str().expect("a token is made where none is given, and shown once");
    assert_eq!(made["headers"]["Authorization"], "Bearer {{api_token}}");
    bugle.integration("datadog", None).await.send(&[], ALERT).await;
    let arrived = until("the delivery", || async { receiver.received().first().cloned() }).await;
    let incident = bugle.only_incident().await;
    let expected = json!({
        "incident_id": incident["id"],
        "title": "Checkout latency",
        "severity": incident["severity"],
        "status": "open",
    });
    assert_eq!(arrived.body, expected);
    assert_eq!(arrived.headers["authorization"], format!("Bearer {token}"));
}

#[tokio::test]
async fn the_receivers_own_token_may_stand_beside_the_documented_configuration() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    let config = json!({
        "url": receiver.url(),
        "headers": {"Authorization": "Bearer {{api_token}}"},
        "template": {"title": "{{incident.title}}"},
    });
    let made = bugle.post("/api/v1/destinations", json!({"webhook_config": config, "secret": "tok-1"})).await;
    assert_eq!(made["secret"], "tok-1");
    bugle.integration("datadog", None).await.send(&[], ALERT).await;
    let arrived = until("the delivery", || async { receiver.received().first().cloned() }).await;
    assert_eq!(arrived.headers["authorization"], "Bearer tok-1");
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let bugle = TestBugle::start().await;
    let url = "https://hooks.example.com/services/T0000AAAABBBBCCCCDDDDEEEE?key=k-secret";
    let headers = json!({"X-Api-Key": "h-secret", "Content-Type": "application/json"});
    let body = json!({"name": "Pager", "url": url, "headers": headers});
    let made = bugle.post("/api/v1/destinations", body).await;
    let id = made["id"].as_str().unwrap();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    let path = format!("/api/v1/destinations/{id}");
    for shown in [bugle.get(&path).await, bugle.get("/api/v1/destinations").await] {
        let text = shown.to_string();
        for hidden in ["k-secret", "h-secret", "T0000AAAABBBB", &secret] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
    let shown = bugle.get(&path).await;
    assert_eq!(shown["headers"], json!({"X-Api-Key": "[hidden]", "Content-Type": "application/json"}));
    // What was shown can be sent back whole, and what was hidden stays as it was.
    let change = json!({"headers": shown["headers"], "url": shown["url"], "name": "Renamed"});
    assert_eq!(bugle.call("PATCH", &path, change).await.json()["name"], "Renamed");
    let stored = bugle.engine.destination(id).unwrap().0;
    assert_eq!((stored.headers["X-Api-Key"].as_str(), stored.url.as_str()), ("h-secret", url));
    let wrong = json!({"headers": {"X-New": "[hidden]"}});
    bugle.call("PATCH", &path, wrong).await.expect_error(422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn a_dialect_brings_its_usual_retry_and_circuit_unless_told_otherwise() {
    let bugle = TestBugle::start().await;
    let url = "https://overwatch.example.com/hook";
    let retry = |made: &Value| {
        let retry = &made["retry"];
        json!([retry["max_attempts"], retry["initial_delay_ms"], retry["factor"], retry["jitter"]])
    };
    let circuit = |made: &Value| json!([made["circuit"]["failure_threshold"], made["circuit"]["on_open"]]);
    let (usual, preset) = (json!([32, 5_000, 2.0, 0.2]), json!([3, 1_000, 2.0, 0.0]));
    let (pauses, disables) = (json!([10, "pause"]), json!([10, "disable"]));
    for (body, expected) in [
        (json!({"url": url, "dialect": "overwatch"}), (&preset, &disables)),
        (json!({"dialect": "overwatch", "webhook_config": {"url": url}}), (&preset, &disables)),
        (json!({"url": url, "dialect": "overwatch", "circuit": {}}), (&preset, &pauses)),
        (json!({"url": url, "dialect": "overwatch", "retry": {}}), (&usual, &disables)),
        (json!({"url": url}), (&usual, &pauses)),
    ] {
        let made = bugle.post("/api/v1/destinations", body.clone()).await;
        assert_eq!((&retry(&made), &circuit(&made)), expected, "{body}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_field() {
    let bugle = TestBugle::start().await;
    for (body, field) in [
        (json!({"url": "not a url"}), "url"),
        (json!({"url": "ftp://example.com"}), "url"),
        (json!({"url": "http://10.1.2.3/hook"}), "url"),
        (json!({"url": "https://example.com", "method": "GET"}), "method"),
        (json!({"url": "https://example.com", "dialect": "morse"}), "dialect"),
        (json!({"url": "https://example.com", "events": ["incident.exploded"]}), "events"),
        (json!({"url": "https://example.com", "retry": {"max_attempts": 0}}), "retry"),
        (json!({"url": "https://example.com", "retry": {"max_atempts": 1}}), "retry.max_atempts"),
        (json!({"url": "https://example.com", "filter": {"severities": ["bad"]}}), "filter.severities[0]"),
        (json!({"webhook_config": "https://example.com"}), "webhook_config"),
        (json!({"url": "https://a.example", "webhook_config": {"url": "https://b.example"}}), "url"),
    ] {
        let answer = bugle.call("POST", "/api/v1/destinations", body.clone()).await;
        answer.expect_error(422, "VALIDATION_FAILED");
        assert_eq!(answer.json()["error"]["details"]["field"], field, "{body}");
    }
}

#[tokio::test]
async fn verify_sends_right_now_and_tells_what_happened() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    let made = bugle.post("/api/v1/destinations", json!({"url": receiver.url()})).await;
    let path = format!("/api/v1/destinations/{}/verify", made["id"].as_str().unwrap());
    let attempt = bugle.post(&path, Value::Null).await;
    assert_eq!(
        (&attempt["verdict"]["verdict"], &attempt["response"]["status"]),
        (&json!("delivered"), &json!(200)),
        "{attempt}"
    );
    assert!(receiver.received()[0].headers.contains_key("webhook-signature"));
    assert!(!attempt.to_string().contains(made["secret"].as_str().unwrap()));
    receiver.answer_with(500);
    let attempt = bugle.post(&path, Value::Null).await;
    assert_eq!(
        (&attempt["verdict"]["verdict"], &attempt["response"]["status"]),
        (&json!("retry"), &json!(500)),
        "{attempt}"
    );
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_left_alone_until_enabled() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(410);
    let made = bugle.post("/api/v1/destinations", json!({"url": receiver.url()})).await;
    let path = format!("/api/v1/destinations/{}", made["id"].as_str().unwrap());
    bugle.integration("datadog", None).await.send(&[], ALERT).await;
    let disabled = until("the destination to be disabled", || async {
        Some(bugle.get(&path).await).filter(|shown| shown["enabled"] == false)
    })
    .await;
    assert!(disabled["disabled_reason"].is_string(), "{disabled}");
    receiver.answer_with(200);
    let before = receiver.received().len();
    let enabled = bugle.post(&format!("{path}/enable"), Value::Null).await;
    assert_eq!((&enabled["enabled"], &enabled["disabled_reason"]), (&json!(true), &Value::Null));
    until("what waited to arrive", || async { (receiver.received().len() > before).then_some(()) }).await;
}

#[tokio::test]
async fn what_was_given_up_on_is_sent_again() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(500);
    let body = json!({"url": receiver.url(), "retry": {"max_attempts": 1}});
    let made = bugle.post("/api/v1/destinations", body).await;
    let id = made["id"].as_str().unwrap();
    bugle.integration("datadog", None).await.send(&[], ALERT).await;
    let list = format!("/api/v1/deliveries?destination_id={id}");
    let dead = until("the delivery to be given up on", || async {
        let page = bugle.get(&format!("{list}&state=dead")).await;
        page["data"].as_array().unwrap().first().cloned()
    })
    .await;
    receiver.answer_with(200);
    let path = format!("/api/v1/destinations/{id}/recover");
    let none = bugle.post(&path, json!({"since": "2200-01-01T00:00:00Z"})).await;
    assert_eq!(none, json!({"recovered": 0, "rest": null}));
    assert_eq!(bugle.post(&path, Value::Null).await, json!({"recovered": 1, "rest": null}));
    until("it to arrive", || async {
        let page = bugle.get(&format!("{list}&state=delivered")).await;
        page["data"].as_array().unwrap().iter().any(|one| one["id"] == dead["id"]).then_some(())
    })
    .await;
    let ids: Vec<_> = receiver.received().iter().map(|one| one.headers["webhook-id"].clone()).collect();
    assert_eq!(ids[0], ids[1], "the idempotency id is the same on every attempt");
    bugle.call("POST", &path, json!({"since": "yesterday"})).await.expect_error(422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn a_second_secret_signs_beside_the_first() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    let made = bugle.post("/api/v1/destinations", json!({"url": receiver.url()})).await;
    let id = made["id"].as_str().unwrap();
    let added = bugle
        .call("POST", &format!("/api/v1/destinations/{id}/secrets"), json!({"overlap_seconds": 600}))
        .await;
    assert_eq!(added.status, 201, "{added:?}");
    bugle.post(&format!("/api/v1/destinations/{id}/verify"), Value::Null).await;
    let signature = receiver.received()[0].headers["webhook-signature"].to_str().unwrap().to_owned();
    assert_eq!(signature.split(' ').count(), 2, "{signature}");
}

#[tokio::test]
async fn changing_and_deleting() {
    let bugle = TestBugle::start().await;
    let made = bugle.post("/api/v1/destinations", json!({"url": "https://hooks.example.com/in"})).await;
    assert_eq!((&made["name"], &made["dialect"]), (&json!("hooks.example.com"), &json!("standard-webhooks")));
    let path = format!("/api/v1/destinations/{}", made["id"].as_str().unwrap());
    let change =
        json!({"events": ["incident.created"], "circuit": {"failure_threshold": 3, "on_open": "disable"}});
    let changed = bugle.call("PATCH", &path, change).await.json();
    assert_eq!(
        (&changed["events"], &changed["circuit"]["on_open"]),
        (&json!(["incident.created"]), &json!("disable"))
    );
    assert_eq!(bugle.call("DELETE", &path, Value::Null).await.status, 204);
    bugle.call("GET", &path, Value::Null).await.expect_error(404, "DESTINATION_NOT_FOUND");
}
