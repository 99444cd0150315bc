//! `/settings` and its parts: who sees them, what they show, what is refused.

use bugle_model::Scope;
use serde_json::{Value, json};

use crate::{bugle::TestBugle, ui::expect_page};

const PARTS: [&str; 4] = ["/settings", "/settings/users", "/settings/api-keys", "/settings/audit"];

#[tokio::test]
async fn admins_see_all_of_it_and_others_what_the_hub_is() {
    let bugle = TestBugle::start().await;
    let (ada, rob) = (bugle.person("ada", Scope::Admin).await, bugle.person("rob", Scope::Operate).await);
    for part in PARTS {
        let page = ada.see(part).await;
        expect_page(&page, 200);
        for other in PARTS {
            assert!(page.text.contains(&format!("href=\"{other}\"")), "{part} leads not to {other}");
        }
        let status = if part == "/settings" { 200 } else { 403 };
        let page = rob.see(part).await;
        expect_page(&page, status);
        assert!(!page.text.contains("/settings/users"), "{part}: {}", page.text);
    }
    let text = ada.see("/settings").await.text;
    for shown in ["SQLite 3.", "30 days", "a year", "1 day", "MIT OR Apache-2.0", "retention_receipts_days"] {
        assert!(text.contains(shown), "{shown} is missing in {text}");
    }
}

#[tokio::test]
async fn users_are_shown_with_what_can_be_done_about_them() {
    let bugle = TestBugle::start().await;
    let ada = bugle.person("ada", Scope::Admin).await;
    let eve = bugle.post("/api/v1/users", json!({"name": "<b>eve</b>\"", "role": "read"})).await;
    let list = ada.see("/settings/users").await;
    expect_page(&list, 200);
    assert!(list.text.contains("&#60;b&#62;eve") && !list.text.contains("<b>eve"), "{}", list.text);
    assert!(list.text.contains("Has not chosen a password"), "{}", list.text);
    let path = format!("/settings/users/{}", eve["id"].as_str().unwrap());
    let page = ada.see(&path).await;
    expect_page(&page, 200);
    for call in ["/link\"", "/sign-out\"", "DELETE /api/v1/users/", "PATCH /api/v1/users/"] {
        assert!(page.text.contains(call), "{call} is missing in {}", page.text);
    }
    let me = ada.call("GET", "/api/v1/me", &[], &Value::Null).await.json();
    let mine = ada.see(&format!("/settings/users/{}", me["id"].as_str().unwrap())).await;
    expect_page(&mine, 200);
    assert!(mine.text.contains("This is you") && !mine.text.contains("data-call=\"DELETE"), "{}", mine.text);
    expect_page(&ada.see("/settings/users/usr_0000000000000").await, 404);
}

#[tokio::test]
async fn nobody_locks_themselves_out() {
    let bugle = TestBugle::start().await;
    let ada = bugle.person("ada", Scope::Admin).await;
    let other = json!({"name": "other", "role": "admin", "password": "correct horse battery staple"});
    bugle.post("/api/v1/users", other).await;
    let me = ada.call("GET", "/api/v1/me", &[], &Value::Null).await.json();
    let path = format!("/api/v1/users/{}", me["id"].as_str().unwrap());
    for body in [json!({"disabled": true}), json!({"role": "read"})] {
        ada.act("PATCH", &path, &body).await.expect_error(422, "VALIDATION_FAILED");
    }
    ada.act("DELETE", &path, &Value::Null).await.expect_error(422, "VALIDATION_FAILED");
    let answer = ada.act("PATCH", &path, &json!({"role": "admin", "disabled": false})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(bugle.call("PATCH", &path, json!({"role": "read"})).await.status, 200, "a key may");
}

#[tokio::test]
async fn signing_somebody_out_ends_their_sessions() {
    let bugle = TestBugle::start().await;
    let (ada, rob) = (bugle.person("ada", Scope::Admin).await, bugle.person("rob", Scope::Read).await);
    let id = rob.call("GET", "/api/v1/me", &[], &Value::Null).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/users/{id}/sign-out");
    rob.act("POST", &path, &Value::Null).await.expect_error(403, "FORBIDDEN");
    assert_eq!(ada.act("POST", &path, &Value::Null).await.status, 204);
    assert_eq!(rob.see("/").await.status, 303);
}

#[tokio::test]
async fn keys_are_shown_without_what_they_are() {
    let bugle = TestBugle::start().await;
    let ada = bugle.person("ada", Scope::Admin).await;
    let text = ada.see("/settings/api-keys").await.text;
    assert!(text.contains("the last admin key stays") && !text.contains("data-call=\"DELETE"), "{text}");
    bugle.post("/api/v1/api-keys", json!({"name": "<i>ci</i>", "scope": "admin"})).await;
    let page = ada.see("/settings/api-keys").await;
    expect_page(&page, 200);
    assert!(page.text.contains("&#60;i&#62;ci") && !page.text.contains("bgl_"), "{}", page.text);
    assert_eq!(page.text.matches("data-call=\"DELETE /api/v1/api-keys/").count(), 2, "{}", page.text);
}

#[tokio::test]
async fn the_audit_log_leads_to_what_is_still_there() {
    let bugle = TestBugle::start().await;
    let ada = bugle.person("ada", Scope::Admin).await;
    let kept = bugle.integration("datadog", None).await.id.clone();
    let gone = bugle.integration("datadog", None).await.id.clone();
    bugle.call("DELETE", &format!("/api/v1/integrations/{gone}"), Value::Null).await;
    let page = ada.see("/settings/audit?about=integration").await;
    expect_page(&page, 200);
    assert!(page.text.contains(&format!("/sources/{kept}\"")), "{}", page.text);
    assert!(!page.text.contains(&format!("/sources/{gone}\"")), "{}", page.text);
    assert!(page.text.contains("Deleted the source") && page.text.contains("test key"), "{}", page.text);
    let none = ada.see("/settings/audit?actor=nobody-like-this").await;
    assert!(none.text.contains("Nothing fits"), "{}", none.text);
    expect_page(&ada.see("/settings/audit?about=nonsense").await, 400);
}
