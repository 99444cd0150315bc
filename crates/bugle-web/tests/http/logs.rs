//! What is written to the log: one line for each webhook, and never anything secret.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{
    bugle::{TestBugle, until},
    client::{raw, request},
};

/// Keeps what is logged by all tests of this binary from here on.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that hold `word`.
    fn lines(&self, word: &str) -> Vec<serde_json::Value> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(word));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Kept {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn each_webhook_leaves_one_line_without_secrets() {
    let kept = Kept::default();
    let filter =
        EnvFilter::new("bugle_web=trace,bugle_engine=trace,bugle_platforms=trace,bugle_store_sqlite=trace");
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(kept.clone()).init();
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", Some("log-secret-1")).await;
    let body = br#"{"id": "mon-7781", "alert_name": "log-body-words", "alert_type": "error"}"#;
    let path = format!("{}?token=log-secret-1&more=log-query-words", hook.path);
    let bytes = request("POST", &path, &[("x-request-id", "log-trace-good")], body);
    assert_eq!(raw(bugle.address, &bytes).await.status, 200);
    let headers = [("x-request-id", "log-trace-bad"), ("authorization", "Bearer log-secret-2")];
    hook.send(&headers, body).await.expect_error(401, "WEBHOOK_VALIDATION_FAILED");
    bugle.drain().await;
    let of = |trace: &'static str| {
        let kept = kept.clone();
        until("the line", move || {
            let lines = kept.lines(trace);
            async move { lines.into_iter().find(|line| line["fields"]["status"].is_string()) }
        })
    };
    let good = of("log-trace-good").await;
    let fields = &good["fields"];
    assert_eq!(good["level"], "INFO");
    assert_eq!((&fields["platform"], &fields["status"]), (&"datadog".into(), &"queued".into()), "{good}");
    assert_eq!(fields["integration_id"], hook.id.as_str());
    assert!(fields["alert_id"].is_string() && fields["receipt_id"].is_string(), "{good}");
    assert!(fields["duration_ms"].is_number(), "{good}");
    let bad = of("log-trace-bad").await;
    assert_eq!(
        (&bad["level"], &bad["fields"]["status"]),
        (&"WARN".into(), &"webhook_validation_failed".into())
    );
    let text = kept.text();
    for secret in ["log-secret-1", "log-secret-2", "log-query-words", "log-body-words", &bugle.admin_key] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}
