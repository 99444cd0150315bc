//! `/incidents`: what is found, what is offered, and to whom.

use bugle_model::Scope;
use serde_json::json;

use crate::{bugle::TestBugle, ui::expect_page};

/// A hub with three incidents of two services.
async fn hub() -> TestBugle {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("custom", None).await;
    for (id, title, service, env) in [
        ("1", "Disk full", "billing", "prod"),
        ("2", "Queue long", "billing", "test"),
        ("3", "Disk slow", "mail", "prod"),
    ] {
        let alert = json!({
            "id": id, "name": title, "state": "open", "severity": "high", "service": service,
            "labels": {"env": env, "site": "oslo"},
        });
        hook.send(&[], alert.to_string().as_bytes()).await;
    }
    bugle.drain().await;
    bugle
}

fn titles(text: &str) -> Vec<&str> {
    ["Disk full", "Queue long", "Disk slow"]
        .into_iter()
        .filter(|title| text.contains(&format!(">{title}</a>")))
        .collect()
}

#[tokio::test]
async fn services_and_labels_choose() {
    let bugle = hub().await;
    let rita = bugle.person("rita@example.net", Scope::Read).await;
    for (query, expected) in [
        ("", vec!["Disk full", "Queue long", "Disk slow"]),
        ("?service=billing", vec!["Disk full", "Queue long"]),
        ("?label=env:prod", vec!["Disk full", "Disk slow"]),
        ("?label=env:prod&service=billing", vec!["Disk full"]),
        ("?label=env:prod&label=site:oslo&q=slow", vec!["Disk slow"]),
        ("?label=env:none", vec![]),
        ("?owner=nobody&severity=high&status=unresolved", vec!["Disk full", "Queue long", "Disk slow"]),
    ] {
        let page = rita.see(&format!("/incidents{query}")).await;
        expect_page(&page, 200);
        assert_eq!(titles(&page.text), expected, "{query}");
        assert_eq!(page.text.contains("No incident fits"), expected.is_empty(), "{query}");
    }
    expect_page(&rita.see("/incidents?label=env").await, 400);
}

#[tokio::test]
async fn what_all_share_is_told_once_and_chosen_labels_can_be_taken_away() {
    let bugle = hub().await;
    let rita = bugle.person("rita@example.net", Scope::Read).await;
    let page = rita.see("/incidents").await.text;
    assert_eq!(page.matches("site: oslo").count(), 1, "{page}");
    assert_eq!(page.matches("env: prod").count(), 2, "{page}");
    assert!(page.contains("Unresolved (3)") && page.contains("High (3)"), "{page}");
    let page = rita.see("/incidents?label=env:prod&q=Disk").await.text;
    assert!(page.contains("href=\"/incidents?q=Disk\""), "{page}");
    assert!(page.contains("<input type=\"hidden\" name=\"label\" value=\"env:prod\">"), "{page}");
    assert!(!page.contains("Unresolved ("), "counts of another choice are not told: {page}");
}

#[tokio::test]
async fn many_at_once_is_for_those_who_may() {
    let bugle = hub().await;
    for (name, role, may) in [
        ("rita@example.net", Scope::Read, false),
        ("otto@example.net", Scope::Operate, true),
        ("ada", Scope::Admin, true),
    ] {
        let page = bugle.person(name, role).await.see("/incidents").await.text;
        assert_eq!((page.contains("data-pick"), page.contains("id=\"bulk\"")), (may, may), "{name}");
        assert_eq!(
            page.contains("data-bulk=\"owner\""),
            may && name.contains('@'),
            "an owner is an address: {name}"
        );
    }
}

#[tokio::test]
async fn a_page_stays_light_whatever_it_shows() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("custom", None).await;
    let long = "\"<&'>".repeat(200);
    for id in 0..60 {
        let labels: serde_json::Map<_, _> = (0..9)
            .map(|place| (format!("l{place}\"<{id}"), json!("\"<&'>\"<&'>\"<&'>\"<&'>\"<&'>")))
            .collect();
        let alert = json!({"id": id.to_string(), "name": long, "state": "open", "service": long, "host": long, "labels": labels});
        hook.send(&[], alert.to_string().as_bytes()).await;
    }
    bugle.drain().await;
    let ada = bugle.person("ada@example.net", Scope::Admin).await;
    for path in ["/incidents", "/incidents?limit=200", "/"] {
        expect_page(&ada.see(path).await, 200);
    }
}
