//! The pages of sources, of calls and of the quarantine.

use bugle_model::Scope;
use serde_json::{Value, json};

use crate::{
    bugle::{TestBugle, hmac_hex},
    client::Answer,
    ui::{Person, expect_page},
};

const BODY: &[u8] = br#"{"id": "mon-7781", "alert_name": "Checkout latency", "alert_type": "error"}"#;

impl Person<'_> {
    /// Looks at a page that must be there.
    async fn page(&self, path: &str) -> Answer {
        let page = self.see(path).await;
        expect_page(&page, 200);
        page
    }
}

#[track_caller]
fn expect(page: &Answer, holds: &[&str], lacks: &[&str]) {
    for text in holds {
        assert!(page.text.contains(text), "no {text:?} in {}", page.text);
    }
    for text in lacks {
        assert!(!page.text.contains(text), "{text:?} in {}", page.text);
    }
}

#[tokio::test]
async fn without_a_source_the_list_says_what_to_do() {
    let bugle = TestBugle::start().await;
    let (ada, rita) = (bugle.person("ada", Scope::Admin).await, bugle.person("rita", Scope::Read).await);
    let add = "href=\"/sources/new\"";
    expect(&ada.page("/sources").await, &["Nothing sends alerts here yet", add], &[]);
    expect(&rita.page("/sources").await, &["Ask somebody who administers"], &[add]);
    expect_page(&rita.see("/sources/new").await, 403);
}

#[tokio::test]
async fn every_platform_can_be_added_with_its_own_steps() {
    let bugle = TestBugle::start().await;
    let ada = bugle.person("ada", Scope::Admin).await;
    let gallery = ada.page("/sources/new").await;
    for source in bugle_platforms::table::SOURCES {
        let (slug, title) = (source.slug(), source.title());
        let address = format!("/sources/new?platform={slug}");
        expect(&gallery, &[&format!("href=\"{address}\""), title], &[]);
        let form = ada.page(&address).await;
        expect(&form, &["value=\"whsec_", &format!("value=\"{slug}\"")], &[]);
        let made = ada.act("POST", "/api/v1/integrations", &json!({"platform": slug, "secret": "s-1"})).await;
        let url = made.json()["webhook_url"].as_str().unwrap().to_owned();
        let page = ada.page(&format!("/sources/{}", made.json()["id"].as_str().unwrap())).await;
        expect(
            &page,
            &["Waiting for the first call", &url, "Set up in"],
            &["INTEGRATION_ID", "https://bugle.example.com", "s-1"],
        );
    }
    let (one, other) =
        (ada.page("/sources/new?platform=datadog").await, ada.page("/sources/new?platform=datadog").await);
    let secret = |page: &Answer| {
        page.text.split("value=\"whsec_").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    assert_ne!(secret(&one), secret(&other), "each form has a secret of its own");
    expect_page(&ada.see("/sources/new?platform=none").await, 404);
    expect_page(&ada.see("/sources/new?platform=bugle").await, 404);
}

#[tokio::test]
async fn a_source_tells_what_is_wrong_until_it_works() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", Some("the wrong one")).await;
    let otto = bugle.person("otto", Scope::Operate).await;
    let rita = bugle.person("rita", Scope::Read).await;
    let path = format!("/sources/{}", hook.id);
    expect(&otto.page(&path).await, &["Waiting for the first call", "Send a test alert"], &["Delete"]);
    expect(
        &rita.page(&path).await,
        &["Waiting for the first call"],
        &["Send a test alert", "data-call=\"P", "Delete"],
    );

    let signature = format!("sha256={}", hmac_hex("the right one", BODY));
    let answer = hook.send(&[("x-datadog-signature", &signature)], BODY).await;
    let receipt = answer.json()["error"]["details"]["receipt_id"].as_str().unwrap().to_owned();
    let reverify = format!("POST /api/v1/receipts/{receipt}/reverify");
    let page = otto.page(&path).await;
    expect(
        &page,
        &["The last call was refused", &reverify, "class=\"panel status bad\""],
        &["the right one"],
    );
    expect(&rita.page(&path).await, &["The last call was refused"], &[&reverify]);
    expect(
        &otto.page("/sources").await,
        &["Last call rejected", "1 rejected", "Quarantine (1)", "1 call in the last hour, 1 not let in"],
        &[],
    );
    expect(&otto.page("/quarantine").await, &[&reverify], &["/release"]);
    let quarantine = format!("/quarantine?integration_id={}", hook.id);
    expect(&otto.page(&quarantine).await, &[&format!("POST /api/v1/integrations/{}/release", hook.id)], &[]);
    expect(&rita.page(&quarantine).await, &["Rejected"], &["/release", "reverify"]);
    let page = otto.page(&format!("/receipts/{receipt}")).await;
    expect(&page, &["signature mismatch", &reverify, "mon-7781"], &["/replay"]);

    let secrets = format!("/api/v1/integrations/{}/secrets", hook.id);
    bugle.post(&secrets, json!({"secret": "the right one"})).await;
    let release = format!("/api/v1/integrations/{}/release", hook.id);
    rita.act("POST", &release, &Value::Null).await.expect_error(403, "FORBIDDEN");
    let released = otto.act("POST", &release, &json!({"state": "rejected"})).await;
    assert_eq!(released.json(), json!({"released": 1, "refused": 0}));
    let incident = bugle.only_incident().await["id"].as_str().unwrap().to_owned();
    let page = otto.page(&path).await;
    expect(&page, &["It works", "class=\"panel status good\"", "proven"], &["was refused"]);
    let page = otto.page(&format!("/receipts/{receipt}")).await;
    let shown =
        ["began a new cycle", "Checkout latency", &format!("href=\"/incidents/{incident}\""), "/replay"];
    expect(&page, &shown, &[&reverify]);
    expect(&otto.page(&quarantine).await, &["Nothing is in quarantine"], &["/release"]);
}

#[tokio::test]
async fn release_looks_at_what_it_is_asked_to_and_keeps_what_does_not_hold() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", Some("s-1")).await;
    hook.send(&[("authorization", "Bearer wrong")], BODY)
        .await
        .expect_error(401, "WEBHOOK_VALIDATION_FAILED");
    let answer = hook.send(&[("authorization", "Bearer s-1")], br#"{"nothing": "known"}"#).await;
    assert_eq!(answer.json()["data"]["processing_status"], "quarantined", "{answer:?}");
    let path = format!("/api/v1/integrations/{}/release", hook.id);
    for (body, released, refused) in [
        (json!({"state": "rejected"}), 0, 1),
        (json!({"state": "undecodable"}), 1, 0),
        (json!({"state": "rejected"}), 0, 1),
    ] {
        assert_eq!(
            bugle.post(&path, body.clone()).await,
            json!({"released": released, "refused": refused}),
            "{body}"
        );
    }
    bugle.drain().await;
    assert_eq!(hook.receipts("undecodable").await.len(), 1, "it is still not understood");
    assert_eq!(bugle.post(&path, Value::Null).await, json!({"released": 1, "refused": 1}));
    bugle.call("POST", &path, json!({"state": "processed"})).await.expect_error(422, "VALIDATION_FAILED");
    let none = "/api/v1/integrations/int_0000000000009/release";
    bugle.call("POST", none, Value::Null).await.expect_error(404, "INTEGRATION_NOT_FOUND");
}

#[tokio::test]
async fn a_call_is_shown_as_it_came_but_for_credentials_and_within_bounds() {
    let bugle = TestBugle::start().await;
    let hostile = "</pre><script>alert(1)</script><img src=x>";
    let hook = bugle.hook(json!({"platform": "custom", "name": hostile, "secret": "tok-secret-1"})).await;
    let ada = bugle.person("ada", Scope::Admin).await;
    let long = format!("{hostile}{}", "\"".repeat(30_000));
    let json = json!({"id": "d-1", "title": hostile, "text": long}).to_string();
    let many: Vec<_> = (0..100).map(|index| (format!("x-h-{index}"), "&".repeat(500))).collect();
    let mut headers: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.insert(0, ("authorization", "Bearer tok-secret-1"));
    headers.truncate(60);
    for body in [json.as_bytes(), b"not JSON <b>at all</b>", b"\xff\x00\x01 bytes <b>", b""] {
        hook.send(&headers, body).await;
    }
    bugle.drain().await;
    let calls = hook.all_receipts().await;
    assert_eq!(calls.len(), 4);
    for call in calls {
        let id = call["id"].as_str().unwrap();
        let page = ada.page(&format!("/receipts/{id}")).await;
        expect(&page, &["[hidden]", id], &["tok-secret-1", "sealed:", "sealed-", "<img", "<b>at"]);
    }
    for path in [
        format!("/sources/{}", hook.id),
        "/sources".into(),
        format!("/receipts?integration_id={}", hook.id),
        format!("/quarantine?integration_id={}&state=undecodable", hook.id),
        "/receipts?state=processed&integration_id=int_0000000000009".into(),
    ] {
        expect(&ada.page(&path).await, &[], &["tok-secret-1", "<img", "<b>at"]);
    }
    for (path, status) in [
        ("/receipts?state=purple", 400),
        ("/quarantine?state=processed", 400),
        ("/receipts?integration_id=x", 400),
        ("/receipts/rcp_0000000000009", 404),
        ("/sources/int_0000000000009", 404),
        ("/sources/x%3Cb%3E", 404),
    ] {
        expect_page(&ada.see(path).await, status);
    }
}

#[tokio::test]
async fn the_log_is_paged_and_chosen_from() {
    let bugle = TestBugle::start().await;
    let (hook, other) = (bugle.integration("datadog", None).await, bugle.integration("datadog", None).await);
    for number in 0..3 {
        hook.send(
            &[],
            format!(r#"{{"id": "m-{number}", "alert_name": "n", "alert_type": "error"}}"#).as_bytes(),
        )
        .await;
    }
    other.send(&[], BODY).await;
    bugle.drain().await;
    let rita = bugle.person("rita", Scope::Read).await;
    let path = format!("/receipts?integration_id={}&state=processed&limit=2", hook.id);
    let page = rita.page(&path).await;
    assert_eq!(page.text.matches("href=\"/receipts/rcp_").count(), 2, "{}", page.text);
    let next = page.text.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
    let next = next.split('"').next().unwrap().replace("&#38;", "&");
    let page = rita.page(&next).await;
    assert_eq!(page.text.matches("href=\"/receipts/rcp_").count(), 1, "{}", page.text);
    expect(&page, &[], &["rel=\"next\""]);
    assert_eq!(rita.page("/receipts").await.text.matches("href=\"/receipts/rcp_").count(), 4);
}

#[tokio::test]
async fn what_is_built_in_is_shown_and_not_changed() {
    let bugle = TestBugle::start().await;
    let ada = bugle.person("ada", Scope::Admin).await;
    let id = bugle_model::integration::BUILT_IN_ID;
    let page = ada.page(&format!("/sources/{id}")).await;
    expect(
        &page,
        &["It takes no calls from outside"],
        &["data-call=\"P", "data-call=\"D", "Secrets", "/test"],
    );
    expect(&ada.page("/sources").await, &[&format!("href=\"/sources/{id}\"")], &[]);
}
