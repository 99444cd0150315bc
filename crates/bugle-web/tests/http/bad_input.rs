//! Everything a sender can get wrong, as bytes over a socket: the answer is exact, what should be kept is kept, and the
//! server goes on.

use std::time::Duration;

use bugle_web::WebSettings;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    bugle::{TestBugle, hmac_hex},
    client::{Answer, raw, read_answer, request},
};

const SECRET: &str = "correct horse battery";
const BODY: &[u8] = br#"{"id": "mon-7781", "alert_name": "Checkout latency", "alert_type": "error"}"#;

/// Sends to an integration with a secret, and expects the call in quarantine with this reason.
async fn check_unproven(headers: &[(&str, &str)], expected: &str) {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", Some(SECRET)).await;
    let answer = hook.send(headers, BODY).await;
    answer.expect_error(401, "WEBHOOK_VALIDATION_FAILED");
    let details = &answer.json()["error"]["details"];
    assert_eq!(details["reason"], expected, "{answer:?}");
    let right = hmac_hex(SECRET, BODY);
    assert!(!answer.text.contains(&right) && !answer.text.contains(SECRET), "{answer:?}");
    let kept = hook.receipts("rejected").await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["id"], details["receipt_id"]);
    assert_eq!(kept[0]["verification"]["reason"], expected);
    bugle.drain().await;
    assert_eq!(bugle.get("/api/v1/incidents").await["data"], json!([]));
    bugle.expect_alive().await;
}

#[tokio::test]
async fn wrong_signature() {
    let wrong = format!("sha256={}", hmac_hex(SECRET, b"another body"));
    check_unproven(&[("x-datadog-signature", &wrong)], "signature_mismatch").await;
}

#[tokio::test]
async fn wrong_secret() {
    let wrong = format!("sha256={}", hmac_hex("another secret", BODY));
    check_unproven(&[("x-datadog-signature", &wrong)], "signature_mismatch").await;
}

#[tokio::test]
async fn missing_signature() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("pagerduty", Some(SECRET)).await;
    let answer = hook.send(&[], b"{\"messages\": []}").await;
    answer.expect_error(401, "WEBHOOK_VALIDATION_FAILED");
    let reason = answer.json()["error"]["details"]["reason"].clone();
    assert!(reason == "signature_missing" || reason == "credential_missing", "{answer:?}");
    assert_eq!(hook.receipts("rejected").await.len(), 1);
    bugle.expect_alive().await;
}

#[tokio::test]
async fn stale_timestamp() {
    let bugle = TestBugle::start().await;
    let settings = json!({"timestamp_header": "X-Grafana-Alerting-Signature-Timestamp"});
    let hook = bugle.hook(json!({"platform": "grafana", "secret": SECRET, "settings": settings})).await;
    let body = br#"{"version": "1", "groupKey": "k", "status": "firing", "alerts": []}"#;
    let signed_at = |seconds: i64| {
        let message = [format!("{seconds}:").as_bytes(), body].concat();
        (seconds.to_string(), hmac_hex(SECRET, &message))
    };
    let now = bugle.engine.clock().now().as_seconds();
    for (seconds, fine) in [(now, true), (now - 3600, false), (now + 3600, false)] {
        let (time, signature) = signed_at(seconds);
        let headers = [
            ("x-grafana-alerting-signature-timestamp", &*time),
            ("x-grafana-alerting-signature", &*signature),
        ];
        let answer = hook.send(&headers, body).await;
        if fine {
            assert_eq!(answer.status, 200, "{answer:?}");
        } else {
            answer.expect_error(401, "WEBHOOK_VALIDATION_FAILED");
            assert_eq!(answer.json()["error"]["details"]["reason"], "timestamp_stale", "{answer:?}");
        }
    }
    assert_eq!(hook.receipts("rejected").await.len(), 2);
    bugle.expect_alive().await;
}

#[tokio::test]
async fn unknown_integration() {
    let bugle = TestBugle::start().await;
    for path in [
        "/api/v1/webhooks/datadog/int_0000000000000",
        "/api/v1/webhooks/datadog/not-an-id",
        "/api/v1/webhooks/datadog/%00%22%3Cscript%3E",
        "/api/v1/webhooks/no-such-platform/int_0000000000000",
    ] {
        let answer = raw(bugle.address, &request("POST", path, &[], BODY)).await;
        answer.expect_error(404, "INTEGRATION_NOT_FOUND");
    }
    let answer = raw(bugle.address, &request("POST", "/api/v1/webhooks/datadog/%ff%fe", &[], BODY)).await;
    answer.expect_error(400, "INVALID_PATH");
    bugle.expect_alive().await;
}

#[tokio::test]
async fn mismatched_platform() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let path = hook.path.replace("datadog", "grafana");
    let answer = raw(bugle.address, &request("POST", &path, &[], BODY)).await;
    answer.expect_error(404, "INTEGRATION_NOT_FOUND");
    assert!(answer.text.contains("datadog"), "{answer:?}");
    assert!(hook.all_receipts().await.is_empty());
    bugle.expect_alive().await;
}

#[tokio::test]
async fn disabled_integration() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let path = format!("/api/v1/integrations/{}", hook.id);
    assert_eq!(bugle.call("PATCH", &path, json!({"enabled": false})).await.status, 200);
    hook.send(&[], BODY).await.expect_error(403, "INTEGRATION_DISABLED");
    assert!(hook.all_receipts().await.is_empty());
    assert_eq!(bugle.call("PATCH", &path, json!({"enabled": true})).await.status, 200);
    assert_eq!(hook.send(&[], BODY).await.status, 200);
}

/// Sends bytes that are no document at all, and expects them in quarantine, byte for byte. To a platform whose bodies a
/// program writes: those that a person's template writes may be mended on the way in.
async fn check_malformed(body: &[u8]) {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("pagerduty", None).await;
    let answer = hook.send(&[("content-type", "application/json")], body).await;
    answer.expect_error(400, "INVALID_PAYLOAD");
    let kept = hook.receipts("undecodable").await;
    assert_eq!(kept.len(), 1, "{answer:?}");
    assert_eq!(kept[0]["id"], answer.json()["error"]["details"]["receipt_id"]);
    assert!(kept[0]["problem"].is_string());
    let id = kept[0]["id"].as_str().unwrap();
    let receipt = bugle.get(&format!("/api/v1/receipts/{id}")).await;
    assert_eq!(receipt["body_bytes"], body.len());
    match std::str::from_utf8(body) {
        Ok(text) => assert_eq!(receipt["body"], text),
        Err(_) => assert!(receipt["body"].is_null() && receipt["body_base64"].is_string(), "{receipt}"),
    }
    bugle.expect_alive().await;
}

#[tokio::test]
async fn empty_body() {
    check_malformed(b"").await;
}

#[tokio::test]
async fn non_json() {
    check_malformed(b"<alert>down</alert>").await;
}

#[tokio::test]
async fn truncated_json() {
    check_malformed(&BODY[..BODY.len() - 20]).await;
}

#[tokio::test]
async fn deep_nesting() {
    let deep = ["{\"a\":".repeat(100_000).as_bytes(), b"1", "}".repeat(100_000).as_bytes()].concat();
    check_malformed(&deep).await;
    check_malformed(&b"[".repeat(500_000)).await;
}

#[tokio::test]
async fn nul_bytes() {
    check_malformed(&[0; 64]).await;
    check_malformed(b"{\"id\": \"a\0b\"}").await;
}

#[tokio::test]
async fn invalid_utf8() {
    check_malformed(b"{\"id\": \"m-1\", \"alert_name\": \"caf\xe9\", \"alert_type\": \"error\"}").await;
    check_malformed(b"\xff\xfe\x00\x01").await;
}

#[tokio::test]
async fn escaped_nul_and_lone_surrogates_do_no_harm() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    for body in [
        br#"{"id": "m-1", "alert_name": "a\u0000b", "alert_type": "error"}"#.as_slice(),
        br#"{"id": "m-2", "alert_name": "a\ud800b", "alert_type": "error"}"#,
    ] {
        let answer = hook.send(&[], body).await;
        assert!(matches!(answer.status, 200 | 400), "{answer:?}");
    }
    bugle.drain().await;
    bugle.get("/api/v1/incidents").await;
    assert_eq!(hook.all_receipts().await.len(), 2);
    bugle.expect_alive().await;
}

#[tokio::test]
async fn wrong_content_type() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    for kind in [
        "text/plain; charset=ISO-8859-1",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "image/png",
        "",
        "\u{7f}",
    ] {
        let answer = hook.send(&[("content-type", kind)], BODY).await;
        if kind == "\u{7f}" {
            assert_eq!(answer.status, 400, "no header may hold this: {answer:?}");
        } else {
            assert_eq!(answer.status, 200, "{kind}: {answer:?}");
        }
    }
    assert_eq!(bugle.only_incident().await["title"], "Checkout latency");
}

#[tokio::test]
async fn huge_numbers() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let digits = "9".repeat(5_000);
    for number in ["1e999999999", "-1e-999999999", &digits, "18446744073709551616", "0.1e400"] {
        let body =
            format!(r#"{{"id": {number}, "alert_name": "Big", "alert_type": "error", "date": {number}}}"#);
        let answer = hook.send(&[], body.as_bytes()).await;
        assert!(matches!(answer.status, 200 | 400), "{answer:?}");
    }
    bugle.drain().await;
    assert_eq!(hook.all_receipts().await.len(), 5);
    bugle.get("/api/v1/incidents").await;
    bugle.expect_alive().await;
}

#[tokio::test]
async fn a_body_of_ten_megabytes() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let body = vec![b'x'; 10 * 1024 * 1024];
    let answer = hook.send(&[], &body).await;
    answer.expect_error(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(answer.json()["error"]["details"]["limit_bytes"], 1024 * 1024);
    assert!(hook.all_receipts().await.is_empty());
    bugle.expect_alive().await;
}

#[tokio::test]
async fn exactly_the_limit_is_taken_and_one_more_is_not() {
    let settings = WebSettings { body_bytes_max: 4096, ..WebSettings::default() };
    let bugle = TestBugle::with(settings).await;
    let hook = bugle.integration("datadog", None).await;
    let padded = |length: usize| {
        let mut body = BODY.to_vec();
        body.resize(length, b' ');
        body
    };
    assert_eq!(hook.send(&[], &padded(4096)).await.status, 200);
    hook.send(&[], &padded(4097)).await.expect_error(413, "PAYLOAD_TOO_LARGE");
}

/// A request whose body comes in chunks.
fn chunked(path: &str, chunks: &[&[u8]], finished: bool) -> Vec<u8> {
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut bytes = head.into_bytes();
    for chunk in chunks {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend(b"\r\n");
    }
    if finished {
        bytes.extend(b"0\r\n\r\n");
    }
    bytes
}

#[tokio::test]
async fn chunked_without_a_length() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let parts: Vec<&[u8]> = BODY.chunks(7).collect();
    let answer = raw(bugle.address, &chunked(&hook.path, &parts, true)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let block = vec![b'x'; 64 * 1024];
    let answer = raw(bugle.address, &chunked(&hook.path, &[&block[..]; 40], true)).await;
    answer.expect_error(413, "PAYLOAD_TOO_LARGE");
    let broken = [&chunked(&hook.path, &[BODY], false)[..], b"zz\r\n"].concat();
    raw(bugle.address, &broken).await.expect_error(400, "INVALID_PAYLOAD");
    assert_eq!(hook.all_receipts().await.len(), 1);
    bugle.expect_alive().await;
}

#[tokio::test]
async fn slow_body() {
    let settings = WebSettings { body_time_max: Duration::from_millis(200), ..WebSettings::default() };
    let bugle = TestBugle::with(settings).await;
    let hook = bugle.integration("datadog", None).await;
    let mut stream = TcpStream::connect(bugle.address).await.unwrap();
    // Kept alive by what it says; closed by the server all the same.
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", hook.path, BODY.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&BODY[..10]).await.unwrap();
    let answer = read_answer(&mut stream).await;
    answer.expect_error(408, "REQUEST_TIMEOUT");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(hook.all_receipts().await.is_empty());
    bugle.expect_alive().await;
}

#[tokio::test]
async fn a_sender_that_hangs_up_leaves_nothing() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let mut stream = TcpStream::connect(bugle.address).await.unwrap();
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\ncontent-length: 500\r\n\r\nhalf", hook.path);
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    bugle.expect_alive().await;
    assert!(hook.all_receipts().await.is_empty());
}

#[tokio::test]
async fn a_verified_body_that_is_not_understood_is_kept_and_answered_200() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("pagerduty", None).await;
    let answer = hook.send(&[], br#"{"neither": "one", "nor": "the other"}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["data"]["processing_status"], "quarantined", "{answer:?}");
    assert_eq!(answer.json()["data"]["alert_id"], Value::Null);
    assert_eq!(hook.receipts("undecodable").await.len(), 1);
}

#[tokio::test]
async fn requests_that_are_no_http_do_no_harm() {
    let bugle = TestBugle::start().await;
    for bytes in [&b"\x16\x03\x01\x02\x00"[..], b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n", &[0; 100]] {
        let mut stream = TcpStream::connect(bugle.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await.ok();
        assert!(!rest.starts_with(b"HTTP/1.1 2"), "{bytes:?}");
    }
    let many = "x-one-more: y\r\n".repeat(200);
    let answer: Answer =
        raw(bugle.address, format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n").as_bytes()).await;
    assert_eq!(answer.status, 431);
    bugle.expect_alive().await;
}
