//! `/`: what needs a person, and what is told where nothing does.

use bugle_model::Scope;
use serde_json::{Value, json};

use crate::{bugle::TestBugle, ui::expect_page};

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>";

#[tokio::test]
async fn an_empty_hub_says_what_to_do_next() {
    let bugle = TestBugle::start().await;
    let ada = bugle.person("ada", Scope::Admin).await;
    let page = ada.see("/").await;
    expect_page(&page, 200);
    for text in [
        "Nothing needs a person",
        "All is calm",
        "Nothing came in the last day",
        "Add a source",
        "Add a destination",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let rita = bugle.person("rita", Scope::Read).await;
    assert!(!rita.see("/").await.text.contains("Add a source"), "who may not add one is not asked to");
}

#[tokio::test]
async fn what_is_bad_and_not_taken_comes_first_and_is_taken_by_one_click() {
    let bugle = TestBugle::start().await;
    let hook = bugle.hook(json!({"platform": "datadog", "name": HOSTILE})).await;
    let alert = |id: &str, title: &str, kind: &str| {
        json!({"id": id, "alert_name": title, "alert_type": kind}).to_string().into_bytes()
    };
    hook.send(&[], &alert("m-1", "Disk full", "error")).await;
    hook.send(&[], &alert("m-2", HOSTILE, "info")).await;
    bugle.drain().await;
    let otto = bugle.person("otto@example.net", Scope::Operate).await;
    let page = otto.see("/").await;
    expect_page(&page, 200);
    assert!(page.text.contains("One thing needs a person"), "{}", page.text);
    assert!(
        page.text.contains("Calls in the last 24 hours") && page.text.contains("2 calls; at most"),
        "{}",
        page.text
    );
    assert!(!page.text.contains("<script>alert") && !page.text.contains("<img src=x"), "{}", page.text);
    assert_eq!(page.text.matches("/acknowledge\"").count(), 1, "what can wait has no button: {}", page.text);
    let call = page.text.split("data-call=\"POST ").nth(1).unwrap().split('"').next().unwrap();
    let rita = bugle.person("rita@example.net", Scope::Read).await;
    assert!(!rita.see("/").await.text.contains("/acknowledge\""));
    assert_eq!(otto.act("POST", call, &Value::Null).await.status, 200);
    let page = otto.see("/").await;
    assert!(
        page.text.contains("Nothing needs a person") && page.text.contains("all acknowledged"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn what_does_not_get_in_is_told() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", Some("the-right-secret")).await;
    hook.send(&[("authorization", "Bearer wrong")], b"{}").await;
    let rita = bugle.person("rita", Scope::Read).await;
    let page = rita.see("/").await;
    expect_page(&page, 200);
    for text in ["Nothing gets in", "1 call not proven to come from there", "One thing needs a person"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let overview = bugle.get("/api/v1/overview").await;
    let source = &overview["sources"][0];
    assert_eq!((&source["rejected"], &source["accepted"]), (&json!(1), &json!(0)), "{overview}");
    assert!(source["last_heard_at"].is_string() && overview["calls"] == json!([]), "{overview}");
}
