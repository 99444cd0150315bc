//! `/api/v1/integrations`.

use bugle_web::WebSettings;
use serde_json::{Value, json};

use crate::bugle::{TestBugle, hmac_hex};

#[tokio::test]
async fn a_secret_is_shown_once() {
    let bugle = TestBugle::start().await;
    let answer = bugle
        .call(
            "POST",
            "/api/v1/integrations",
            json!({"platform": "datadog", "name": "Prod", "secret": "hush-hush"}),
        )
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let made = answer.json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(format!("/api/v1/integrations/{id}").as_str()));
    assert_eq!(
        (&made["secret"], &made["verified"], &made["warnings"]),
        (&json!("hush-hush"), &json!(true), &json!([]))
    );
    assert_eq!(made["webhook_url"], format!("http://hub.example.com/api/v1/webhooks/datadog/{id}"));
    for path in [format!("/api/v1/integrations/{id}"), "/api/v1/integrations".into()] {
        let shown = bugle.get(&path).await;
        assert!(!shown.to_string().contains("hush-hush"), "{shown}");
    }
    let shown = bugle.get(&format!("/api/v1/integrations/{id}")).await;
    assert_eq!(shown["secrets"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn one_without_a_secret_is_warned_about() {
    let settings = WebSettings {
        public_url: Some("https://hooks.example.org/bugle/".parse().unwrap()),
        ..WebSettings::default()
    };
    let bugle = TestBugle::with(settings).await;
    let made = bugle.post("/api/v1/integrations", json!({"platform": "grafana"})).await;
    assert_eq!((&made["verified"], made.get("secret")), (&json!(false), None));
    assert!(made["warnings"][0].as_str().unwrap().starts_with("no secret: unsigned calls are accepted"));
    let url =
        format!("https://hooks.example.org/bugle/api/v1/webhooks/grafana/{}", made["id"].as_str().unwrap());
    assert_eq!(made["webhook_url"], url);
}

#[tokio::test]
async fn changing_and_deleting() {
    let bugle = TestBugle::start().await;
    let hook = bugle.hook(json!({"platform": "datadog", "rate_limit": "5/minute"})).await;
    let path = format!("/api/v1/integrations/{}", hook.id);
    let change = json!({"name": "New name", "allowed_ips": ["127.0.0.0/8"], "rate_limit": null});
    let changed = bugle.call("PATCH", &path, change).await.json();
    assert_eq!((&changed["name"], &changed["rate_limit"]), (&json!("New name"), &Value::Null));
    assert_eq!(changed["allowed_ips"], json!(["127.0.0.0/8"]));
    assert_eq!(bugle.call("PATCH", &path, json!({})).await.json()["name"], "New name");
    bugle.call("PATCH", &path, json!({"platform": "grafana"})).await.expect_error(422, "VALIDATION_FAILED");
    assert_eq!(bugle.call("DELETE", &path, Value::Null).await.status, 204);
    bugle.call("GET", &path, Value::Null).await.expect_error(404, "INTEGRATION_NOT_FOUND");
    bugle.call("DELETE", &path, Value::Null).await.expect_error(404, "INTEGRATION_NOT_FOUND");
    hook.send(&[], b"{}").await.expect_error(404, "INTEGRATION_NOT_FOUND");
}

#[tokio::test]
async fn the_list_pages_and_filters() {
    let bugle = TestBugle::start().await;
    for platform in ["datadog", "grafana", "datadog"] {
        bugle.integration(platform, None).await;
    }
    let all = bugle.get("/api/v1/integrations").await;
    assert_eq!((all["data"].as_array().unwrap().len(), &all["next_cursor"]), (3, &Value::Null));
    let page = bugle.get("/api/v1/integrations?platform=datadog&limit=1").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = bugle.get(&format!("/api/v1/integrations?platform=datadog&limit=1&cursor={cursor}")).await;
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null));
    assert_ne!(page["data"][0]["id"], rest["data"][0]["id"]);
}

#[tokio::test]
async fn a_secret_is_replaced_without_losing_a_call() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", Some("the old one")).await;
    let path = format!("/api/v1/integrations/{}/secrets", hook.id);
    let added = bugle.call("POST", &path, json!({"overlap_seconds": 600})).await;
    assert_eq!(added.status, 201, "{added:?}");
    let new = added.json()["secret"].as_str().unwrap().to_owned();
    assert!(new.starts_with("whsec_"), "{added:?}");
    let body = br#"{"id": "m-1", "alert_name": "A", "alert_type": "error"}"#;
    for secret in ["the old one", &new] {
        let signature = format!("sha256={}", hmac_hex(secret, body));
        let answer = hook.send(&[("x-datadog-signature", &signature)], body).await;
        assert_eq!(answer.status, 200, "{secret}: {answer:?}");
    }
    let shown = bugle.get(&format!("/api/v1/integrations/{}", hook.id)).await;
    let ends: Vec<_> =
        shown["secrets"].as_array().unwrap().iter().map(|one| one["expires_at"].is_string()).collect();
    assert_eq!(ends.iter().filter(|ends| **ends).count(), 1, "{shown}");
    bugle
        .call("POST", &path, json!({"overlap_seconds": 99_999_999}))
        .await
        .expect_error(422, "VALIDATION_FAILED");
    bugle.call("POST", &path, json!({"secret": ""})).await.expect_error(422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn an_end_of_now_ends_the_old_secret() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", Some("the old one")).await;
    bugle
        .post(
            &format!("/api/v1/integrations/{}/secrets", hook.id),
            json!({"secret": "the new one", "overlap_seconds": 0}),
        )
        .await;
    let body = br#"{"id": "m-1"}"#;
    let signature = format!("sha256={}", hmac_hex("the old one", body));
    hook.send(&[("x-datadog-signature", &signature)], body)
        .await
        .expect_error(401, "WEBHOOK_VALIDATION_FAILED");
}

#[tokio::test]
async fn the_test_goes_the_real_way_for_every_platform() {
    let bugle = TestBugle::start().await;
    for source in bugle_platforms::table::SOURCES {
        let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        let body = json!({"platform": source.slug(), "secret": secret, "allowed_ips": ["203.0.113.0/24"]});
        let hook = bugle.hook(body).await;
        let path = format!("/api/v1/integrations/{}/test", hook.id);
        for phase in ["firing", "update", "resolved"] {
            let tested = bugle.post(&path, json!({"phase": phase})).await;
            assert_ne!(tested["processing_status"], "quarantined", "{} {phase}: {tested}", source.slug());
            let id = tested["receipt_id"].as_str().unwrap();
            bugle.drain().await;
            let receipt = bugle.get(&format!("/api/v1/receipts/{id}")).await;
            assert_eq!(
                receipt["verification"]["verdict"],
                "verified",
                "{} {phase}: {receipt}",
                source.slug()
            );
            assert!(!receipt.to_string().contains(secret), "{receipt}");
        }
        let incidents = bugle.get(&format!("/api/v1/incidents?platform={}", source.slug())).await;
        assert_eq!(incidents["data"].as_array().unwrap().len(), 1, "{}: {incidents}", source.slug());
        assert_eq!(incidents["data"][0]["status"], "fixed", "{}", source.slug());
    }
}

#[tokio::test]
async fn a_sample_is_read_and_not_kept() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("custom", None).await;
    let path = format!("/api/v1/integrations/{}/test", hook.id);
    let sample = json!({"check": {"name": "Disk almost full", "id": "d-1"}, "state": "ALARM"});
    let settings = json!({"mapping": {
        "title": "check.name",
        "fingerprint": "/check/id",
        "status": {"path": "state", "values": {"ALARM": "firing", "OK": "resolved"}},
    }});
    let read = bugle.post(&path, json!({"sample": sample, "settings": settings})).await;
    assert_eq!(
        (&read["understood"], &read["signals"][0]["title"]),
        (&json!(true), &json!("Disk almost full")),
        "{read}"
    );
    assert!(!read["fields"].as_array().unwrap().is_empty());
    let torn = bugle.post(&path, json!({"sample": "{\"check\": "})).await;
    assert_eq!(torn["understood"], false, "{torn}");
    assert!(torn["problem"].is_string());
    assert!(hook.all_receipts().await.is_empty());
    bugle.call("POST", &path, json!({"settings": {}})).await.expect_error(422, "VALIDATION_FAILED");
    bugle.call("POST", &path, json!({"phase": "boom"})).await.expect_error(422, "VALIDATION_FAILED");
}
