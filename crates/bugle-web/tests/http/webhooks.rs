//! `/api/v1/webhooks`.

use serde_json::json;

use crate::{
    bugle::{TestBugle, hmac_hex, until},
    client::{raw, request},
};

const BODY: &[u8] =
    br#"{"id": "mon-7781", "alert_name": "Checkout latency", "alert_type": "error", "severity": "high"}"#;

#[tokio::test]
async fn a_call_is_answered_as_the_contract_says() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let answer = hook.send(&[("x-request-id", "trace-41")], BODY).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("x-request-id"), Some("trace-41"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let receipt_id = answer.json()["data"]["receipt_id"].as_str().unwrap().to_owned();
    assert!(receipt_id.starts_with("rcp_"));
    let alert_id = answer.json()["data"]["alert_id"].clone();
    assert!(alert_id.is_string());
    assert_eq!(
        answer.json(),
        json!({
            "success": true,
            "message": "Webhook received successfully",
            "data": {
                "integration_id": hook.id,
                "alert_id": alert_id,
                "receipt_id": receipt_id,
                "processing_status": "queued",
            },
        })
    );
    let receipt = bugle.get(&format!("/api/v1/receipts/{receipt_id}")).await;
    assert_eq!(receipt["correlation_id"], "trace-41");
    assert_eq!(receipt["body"], std::str::from_utf8(BODY).unwrap());
    assert_eq!(receipt["verification"]["verdict"], "unverified");
    let incident = bugle.only_incident().await;
    assert_eq!((&incident["title"], &incident["verified"]), (&json!("Checkout latency"), &json!(false)));
}

#[tokio::test]
async fn the_curl_lines_of_the_product_that_was_here_before_work_as_they_stand() {
    let bugle = TestBugle::start().await;
    let json = ("content-type", "application/json");
    let datadog = bugle.integration("datadog", None).await;
    let signature = ("x-datadog-signature", "sha256=test");
    let body = br#"{ "id": "t-1", "alert_name": "A test", "alert_type": "error", "severity": "high", "message": "only a test" }"#;
    assert_eq!(datadog.send(&[json, signature], body).await.status, 200);
    let newrelic = bugle.integration("newrelic", None).await;
    let body = br#"{ "issueId": "T-1", "state": "OPEN", "title": "A test", "priority": "CRITICAL" }"#;
    assert_eq!(newrelic.send(&[json], body).await.status, 200);
    let minimal = br#"{"id": "t-2", "alert_name": "A test", "severity": "high"}"#;
    let answer = datadog.send(&[json], minimal).await;
    assert_eq!((answer.status, &answer.json()["success"]), (200, &json!(true)));
}

#[tokio::test]
async fn a_signed_call_is_proven() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", Some("correct horse battery")).await;
    let signature = format!("sha256={}", hmac_hex("correct horse battery", BODY));
    let answer = hook.send(&[("x-datadog-signature", &signature)], BODY).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(bugle.only_incident().await["verified"], true);
}

#[tokio::test]
async fn put_is_taken_too() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let answer = raw(bugle.address, &request("PUT", &hook.path, &[], BODY)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn other_methods_are_told_what_to_do() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("elasticsearch", None).await;
    let answer = raw(bugle.address, &request("GET", &hook.path, &[], b"")).await;
    answer.expect_error(405, "METHOD_NOT_ALLOWED");
    assert!(answer.text.contains("method: post"), "{answer:?}");
    assert_eq!(answer.header("allow"), Some("POST, PUT, OPTIONS"));
    raw(bugle.address, &request("DELETE", &hook.path, &[], b""))
        .await
        .expect_error(405, "METHOD_NOT_ALLOWED");
    let head = raw(bugle.address, &request("HEAD", &hook.path, &[], b"")).await;
    assert_eq!((head.status, head.text.as_str()), (405, ""));
    let options = raw(bugle.address, &request("OPTIONS", &hook.path, &[], b"")).await;
    assert_eq!((options.status, options.header("allow")), (204, Some("POST, PUT, OPTIONS")));
}

#[tokio::test]
async fn a_limit_is_told_in_the_senders_retry_language() {
    let bugle = TestBugle::start().await;
    let body = br#"{"version": "4", "groupKey": "{}", "status": "firing", "alerts": []}"#;
    for (platform, status, body) in
        [("prometheus", 503, &body[..]), ("pagerduty", 429, b"{\"messages\": []}")]
    {
        let hook = bugle.hook(json!({"platform": platform, "rate_limit": "2/hour"})).await;
        for _ in 0..2 {
            let answer = hook.send(&[], body).await;
            assert!(!matches!(answer.status, 429 | 503), "{answer:?}");
        }
        let answer = hook.send(&[], body).await;
        answer.expect_error(status, "RATE_LIMITED");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=1800).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn callers_from_elsewhere_are_refused() {
    let bugle = TestBugle::start().await;
    let far = bugle.hook(json!({"platform": "datadog", "allowed_ips": ["203.0.113.0/24"]})).await;
    let answer = far.send(&[("x-forwarded-for", "203.0.113.5")], BODY).await;
    answer.expect_error(403, "SOURCE_IP_NOT_ALLOWED");
    assert_eq!(answer.json()["error"]["details"]["source_ip"], "127.0.0.1");
    assert!(far.all_receipts().await.is_empty());
    let near = bugle.hook(json!({"platform": "datadog", "allowed_ips": ["127.0.0.1"]})).await;
    assert_eq!(near.send(&[], BODY).await.status, 200);
}

#[tokio::test]
async fn a_trusted_proxy_says_who_calls() {
    let settings = bugle_web::WebSettings {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..bugle_web::WebSettings::default()
    };
    let bugle = TestBugle::with(settings).await;
    let hook = bugle.hook(json!({"platform": "datadog", "allowed_ips": ["203.0.113.0/24"]})).await;
    let answer = hook.send(&[("x-forwarded-for", "10.9.9.9, 203.0.113.5")], BODY).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(hook.all_receipts().await[0]["remote_ip"], "203.0.113.5");
    hook.send(&[("x-forwarded-for", "198.51.100.1")], BODY).await.expect_error(403, "SOURCE_IP_NOT_ALLOWED");
}

#[tokio::test]
async fn a_redelivery_is_told_and_makes_nothing_new() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("pagerduty", None).await;
    let body = br#"{"messages": [{"id": "msg-1", "event": "incident.triggered", "incident": {"id": "PQ1", "incident_number": 7,
        "title": "Disk almost full", "status": "triggered", "urgency": "high", "html_url": "https://acme.example/incidents/PQ1",
        "service": {"id": "PSVC1", "name": "Storage"}}}]}"#;
    let headers = [("x-webhook-id", "wh-delivery-1")];
    let first = hook.send(&headers, body).await;
    assert_eq!(first.json()["data"]["processing_status"], "queued", "{first:?}");
    let second = hook.send(&headers, body).await;
    assert_eq!(
        (second.status, &second.json()["data"]["processing_status"]),
        (200, &json!("duplicate")),
        "{second:?}"
    );
    assert_eq!(bugle.only_incident().await["alerts"]["total"], 1);
}

/// Another process that holds the database's write lock until it is told to let go, as a backup tool may.
fn lock_database(folder: &std::path::Path) -> std::process::Child {
    use std::{io::Read as _, process::Stdio};
    const SCRIPT: &str = "import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
database.execute('BEGIN IMMEDIATE')
print('held', flush=True)
sys.stdin.read()
database.execute('ROLLBACK')";
    let mut child = std::process::Command::new("python3")
        .args(["-c", SCRIPT])
        .arg(folder.join("bugle.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed");
    let mut told = [0; 4];
    child.stdout.as_mut().unwrap().read_exact(&mut told).unwrap();
    assert_eq!(&told, b"held");
    child
}

#[tokio::test]
async fn a_store_that_hangs_means_try_again_and_recovers_by_itself() {
    let settings = bugle_web::WebSettings {
        append_time_max: std::time::Duration::from_millis(200),
        ..bugle_web::WebSettings::default()
    };
    let bugle = TestBugle::with(settings).await;
    let hook = bugle.integration("custom", None).await;
    assert_eq!(hook.send(&[("webhook-id", "1")], BODY).await.status, 200);
    let mut holder = lock_database(bugle.folder.path());
    // It came before, and that a call is a repeat only the database can keep.
    let answer = hook.send(&[("webhook-id", "1")], BODY).await;
    answer.expect_error(503, "STORE_UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), Some("5"));
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    until("the store takes calls again", async || {
        (hook.send(&[("webhook-id", "2")], BODY).await.status == 200).then_some(())
    })
    .await;
}

/// What the journal can keep is kept while the database hangs, and is processed when that is over.
#[tokio::test]
async fn a_database_that_hangs_keeps_nobody_waiting() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let mut holder = lock_database(bugle.folder.path());
    for _ in 0..20 {
        assert_eq!(hook.send(&[], BODY).await.status, 200);
    }
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    bugle.drain().await;
    let receipts = bugle.get("/api/v1/receipts?limit=100").await;
    assert_eq!(receipts["data"].as_array().unwrap().len(), 20);
}

/// A call that its caller gave up on still waits for the store, and still takes its room.
#[tokio::test]
async fn a_store_that_hangs_fills_no_memory() {
    let settings = bugle_web::WebSettings {
        append_time_max: std::time::Duration::from_millis(100),
        body_bytes_max: 1024,
        bodies_bytes_max: 8 * 1024,
        ..bugle_web::WebSettings::default()
    };
    let bugle = TestBugle::with(settings).await;
    let hook = bugle.integration("custom", None).await;
    assert_eq!(hook.send(&[("webhook-id", "1")], BODY).await.status, 200);
    let mut holder = lock_database(bugle.folder.path());
    for expected in ["could not do this now", "could not do this now", "more is waiting", "more is waiting"] {
        let answer = hook.send(&[("webhook-id", "1")], BODY).await;
        answer.expect_error(503, "STORE_UNAVAILABLE");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert!(answer.text.contains(expected), "{expected}: {answer:?}");
    }
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    until("there is room again", async || {
        (hook.send(&[("webhook-id", "2")], BODY).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn health_is_told_from_what_happened() {
    let bugle = TestBugle::start().await;
    let health = bugle.get("/api/v1/webhooks/health").await;
    assert_eq!(
        (&health["status"], &health["endpoints"]["datadog"]),
        (&json!("healthy"), &json!("operational"))
    );
    let hook = bugle.integration("datadog", Some("correct horse battery")).await;
    hook.send(&[], BODY).await.expect_error(401, "WEBHOOK_VALIDATION_FAILED");
    let health = bugle.get("/api/v1/webhooks/health").await;
    assert_ne!(health["endpoints"]["datadog"], "operational");
    assert_eq!(health["endpoints"]["grafana"], "operational");
}
