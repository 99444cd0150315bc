//! `/`, `/healthz`, `/readyz`, `/metrics`, `/api/v1/openapi.json`, and what stands where there is no route.

use bugle_model::Scope;
use bugle_web::WebSettings;
use serde_json::json;

use crate::{
    bugle::TestBugle,
    client::{Answer, raw, request},
};

async fn open(bugle: &TestBugle, method: &str, path: &str) -> Answer {
    raw(bugle.address, &request(method, path, &[], b"")).await
}

#[tokio::test]
async fn the_process_tells_how_it_is_without_a_key() {
    let bugle = TestBugle::start().await;
    assert_eq!(open(&bugle, "GET", "/").await.json()["name"], "bugle");
    assert_eq!(open(&bugle, "GET", "/healthz").await.json(), json!({"status": "ok"}));
    assert_eq!(open(&bugle, "GET", "/readyz").await.json(), json!({"status": "ready"}));
    assert_eq!(open(&bugle, "GET", "/api/v1/openapi.json").await.json()["openapi"], "3.1.0");
    let head = open(&bugle, "HEAD", "/healthz").await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn readiness_ends_with_the_engine() {
    let bugle = TestBugle::start().await;
    bugle.engine.shutdown(std::time::Duration::from_secs(5)).await;
    open(&bugle, "GET", "/readyz").await.expect_error(503, "NOT_READY");
    assert_eq!(open(&bugle, "GET", "/healthz").await.status, 200);
}

#[tokio::test]
async fn metrics_count_each_answer_and_take_no_name_from_outside() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    hook.send(&[], br#"{"id": "m-1", "alert_name": "A", "alert_type": "error"}"#).await;
    hook.send(&[], b"no json").await;
    open(&bugle, "POST", "/api/v1/webhooks/made-up-name/int_1")
        .await
        .expect_error(404, "INTEGRATION_NOT_FOUND");
    let text = open(&bugle, "GET", "/metrics").await.text;
    for line in [
        r#"webhook_requests_total{platform="datadog",status="queued"} 1"#,
        r#"webhook_requests_total{platform="datadog",status="invalid_payload"} 1"#,
        r#"webhook_requests_total{platform="unknown",status="integration_not_found"} 1"#,
        r#"webhook_processing_seconds_count{platform="datadog"} 2"#,
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("made-up-name"));
}

#[tokio::test]
async fn metrics_want_a_key_where_that_is_configured() {
    let bugle = TestBugle::with(WebSettings { metrics_auth: true, ..WebSettings::default() }).await;
    open(&bugle, "GET", "/metrics").await.expect_error(401, "UNAUTHENTICATED");
    let authorization = format!("Bearer {}", bugle.key(Scope::Read).await);
    let bytes = request("GET", "/metrics", &[("authorization", &authorization)], b"");
    assert_eq!(raw(bugle.address, &bytes).await.status, 200);
}

#[tokio::test]
async fn unknown_paths_are_told_the_nearest() {
    let bugle = TestBugle::start().await;
    let answer = open(&bugle, "GET", "/api/v1/incident").await;
    answer.expect_error(404, "NOT_FOUND");
    assert!(answer.text.contains("/api/v1/incidents"), "{answer:?}");
    let answer = open(&bugle, "POST", "/api/v1/incidents").await;
    answer.expect_error(405, "METHOD_NOT_ALLOWED");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
    for path in ["//", "/%ff", "/../etc/passwd", "/api/v1/integrations/", "/api/v1/webhooks/datadog/int_1/"] {
        open(&bugle, "GET", path).await.expect_error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn every_answer_is_dressed() {
    let bugle = TestBugle::start().await;
    for (method, path) in
        [("GET", "/"), ("GET", "/nothing"), ("GET", "/api/v1/incidents"), ("PUT", "/healthz")]
    {
        let answer = open(&bugle, method, path).await;
        assert!(answer.header("x-request-id").is_some_and(|id| id.starts_with("req_")), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(
            answer
                .header("content-security-policy")
                .is_some_and(|policy| policy.contains("default-src 'none'"))
        );
    }
    let long = "x".repeat(200);
    let answer = raw(bugle.address, &request("GET", "/", &[("x-request-id", &long)], b"")).await;
    assert_eq!(answer.header("x-request-id").unwrap().len(), 128);
}
