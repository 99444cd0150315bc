//! The pages of destinations and deliveries, and what they stand on: the preview, health, and recovery in steps.

use bugle_model::Scope;
use serde_json::{Value, json};

use crate::{
    bugle::{TestBugle, until},
    receiver::Receiver,
    ui::expect_page,
};

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x>";

/// Makes an incident, and waits for a delivery of it in this state.
async fn delivery_in(bugle: &TestBugle, title: &str, state: &str) -> Value {
    let hook = bugle.integration("datadog", None).await;
    let body = json!({"id": title, "alert_name": title, "alert_type": "error"});
    hook.send(&[], body.to_string().as_bytes()).await;
    let path = format!("/api/v1/deliveries?state={state}");
    until("the delivery", || async { bugle.get(&path).await["data"].as_array().unwrap().first().cloned() })
        .await
}

/// A destination that gives up at once.
async fn impatient(bugle: &TestBugle, receiver: &Receiver) -> String {
    let body =
        json!({"name": "Pager", "url": receiver.url(), "retry": {"max_attempts": 1, "initial_delay_ms": 1}});
    bugle.post("/api/v1/destinations", body).await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_destinations_the_list_says_what_to_do() {
    let bugle = TestBugle::start().await;
    for (role, may_add) in [(Scope::Admin, true), (Scope::Read, false)] {
        let person = bugle.person(&format!("{role:?}"), role).await;
        let page = person.see("/destinations").await;
        expect_page(&page, 200);
        assert!(page.text.contains("Nobody is told of changes yet"), "{}", page.text);
        assert_eq!(page.text.contains("/destinations/new"), may_add, "{role:?}");
        let form = person.see("/destinations/new").await;
        expect_page(&form, if may_add { 200 } else { 403 });
    }
}

#[tokio::test]
async fn every_dialect_has_a_form_of_its_settings() {
    let bugle = TestBugle::start().await;
    let ada = bugle.person("ada", Scope::Admin).await;
    let gallery = ada.see("/destinations/new").await;
    for dialect in bugle_platforms::table::DIALECTS {
        let path = format!("/destinations/new?dialect={}", dialect.slug());
        assert!(gallery.text.contains(&path), "{path}");
        let page = ada.see(&path).await;
        expect_page(&page, 200);
        for setting in dialect.settings() {
            let field = if setting.choices.is_empty() { "<input" } else { "<select" };
            let field = format!("{field} name=\"settings.{}\"", setting.name);
            assert!(page.text.contains(&field), "{field}");
            let offers = |choice: &&str| page.text.contains(&format!("<option>{choice}</option>"));
            assert!(setting.choices.iter().all(offers), "{}", setting.name);
        }
    }
    expect_page(&ada.see("/destinations/new?dialect=none").await, 404);
}

#[tokio::test]
async fn a_destination_shows_how_it_does_and_what_its_viewer_may_do() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(503);
    let body = json!({
        "name": HOSTILE, "url": receiver.url(), "headers": {"X-Key": "h-secret"},
        "filter": {"labels": {}}, "circuit": {"failure_threshold": 1, "open_ms": 3_600_000},
    });
    let made = bugle.post("/api/v1/destinations", body).await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    delivery_in(&bugle, HOSTILE, "pending").await;
    let health = format!("/api/v1/destinations/{id}/health");
    let told = until("the circuit to open", || async {
        let told = bugle.get(&health).await;
        (told["circuit_state"]["phase"] == "open" && told["waiting"] == 1).then_some(told)
    })
    .await;
    assert_eq!(told["circuit_changes"][0]["phase"], "open");
    assert!(told["oldest_waiting_since"].is_string(), "{told}");
    let path = format!("/destinations/{id}");
    for (role, buttons) in
        [(Scope::Read, [false, false]), (Scope::Operate, [true, false]), (Scope::Admin, [true, true])]
    {
        let person = bugle.person(&format!("{role:?}"), role).await;
        let list = person.see("/destinations").await;
        let page = person.see(&path).await;
        for page in [&list, &page] {
            expect_page(page, 200);
            assert!(page.text.contains("Circuit open"), "{}", page.text);
            for hidden in ["<script>alert", "<img src=x", "h-secret", secret] {
                assert!(!page.text.contains(hidden), "{hidden} in {}", page.text);
            }
        }
        assert!(page.text.contains("The circuit is open"), "{}", page.text);
        let shown = ["/verify", "data-call=\"DELETE"].map(|call| page.text.contains(call));
        assert_eq!(shown, buttons, "{role:?}");
        let edit = person.see(&format!("{path}/edit")).await;
        expect_page(&edit, if role == Scope::Admin { 200 } else { 403 });
        assert!(!edit.text.contains("h-secret") && !edit.text.contains("<img src=x"), "{}", edit.text);
    }
    let rita = bugle.person("rita", Scope::Read).await;
    expect_page(&rita.see("/destinations/dst_0000000000000").await, 404);
    expect_page(&rita.see(&format!("{path}?state=lost")).await, 400);
    expect_page(&rita.see(&format!("{path}?state=pending")).await, 200);
    assert!(rita.see(&format!("{path}?state=dead")).await.text.contains("No delivery is in this state"));
}

#[tokio::test]
async fn a_delivery_shows_its_attempts_and_is_sent_again_by_who_may() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(500);
    impatient(&bugle, &receiver).await;
    let dead = delivery_in(&bugle, HOSTILE, "dead").await;
    let path = format!("/deliveries/{}", dead["id"].as_str().unwrap());
    let rita = bugle.person("rita", Scope::Read).await;
    let page = rita.see(&path).await;
    expect_page(&page, 200);
    for shown in ["Attempt 1", "The receiver answered 500", "incident.created", "webhook-signature", "<rect"]
    {
        let shown = shown.replace("The receiver", "the receiver");
        assert!(page.text.contains(&shown), "{shown} in {}", page.text);
    }
    assert!(!page.text.contains("<img src=x") && !page.text.contains("/redeliver"), "{}", page.text);
    let otto = bugle.person("otto", Scope::Operate).await;
    assert!(otto.see(&path).await.text.contains("/redeliver"));
    expect_page(&rita.see("/deliveries/dlv_0000000000000").await, 404);
}

#[tokio::test]
async fn a_large_delivery_stays_a_light_page() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    let template = json!({"text": "<\"&'>".repeat(6_000)});
    bugle.post("/api/v1/destinations", json!({"url": receiver.url(), "template": template})).await;
    let delivered = delivery_in(&bugle, "Disk full", "delivered").await;
    let rita = bugle.person("rita", Scope::Read).await;
    let page = rita.see(&format!("/deliveries/{}", delivered["id"].as_str().unwrap())).await;
    expect_page(&page, 200);
    assert!(page.text.contains("Only its beginning is shown"), "{}", page.text);
}

#[tokio::test]
async fn a_preview_is_what_is_sent_and_hides_what_is_secret() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    let body = json!({"url": receiver.url(), "headers": {"X-Key": "h-secret"}, "secret": "whsec_c2VjcmV0LW9mLXRoZS10ZXN0LXRvLWhpZGU="});
    let made = bugle.post("/api/v1/destinations", body.clone()).await;
    delivery_in(&bugle, "Disk full", "delivered").await;
    let sent = receiver.received().first().cloned().unwrap();
    let incident = bugle.only_incident().await["id"].clone();
    let event = json!({"incident_id": incident, "sequence": 1});
    let mut asked = body;
    asked["event"] = event.clone();
    for asked in [asked, json!({"id": made["id"], "event": event})] {
        let told = bugle.post("/api/v1/destinations/preview", asked).await;
        let shown: Value = serde_json::from_str(told["request"]["body"].as_str().unwrap()).unwrap();
        assert_eq!(shown, sent.body);
        let headers = told["request"]["headers"].as_array().unwrap();
        assert!(headers.contains(&json!(["x-key", "[hidden]"])), "{told}");
        assert!(headers.iter().any(|header| header[0] == "webhook-signature"), "{told}");
        let text = told.to_string();
        assert!(!text.contains("h-secret") && !text.contains("c2VjcmV0"), "{text}");
    }
    assert_eq!(receiver.received().len(), 1, "nothing is sent by looking");
    assert_eq!(bugle.get("/api/v1/destinations").await["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_preview_says_what_is_wrong() {
    let bugle = TestBugle::start().await;
    let preview = "/api/v1/destinations/preview";
    let sample = bugle.post(preview, json!({"dialect": "standard-webhooks"})).await;
    assert!(sample["request"]["body"].as_str().unwrap().contains("Test from Bugle"), "{sample}");
    for (body, field) in [
        (json!({"url": "nonsense"}), "url"),
        (json!({"dialect": "none"}), "dialect"),
        (json!({"unknown": 1}), "unknown"),
        (json!({"event": {"incident_id": "inc_0000000000000", "sequence": 1}}), "event"),
        (json!({"id": 7}), "id"),
    ] {
        let answer = bugle.call("POST", preview, body.clone()).await;
        answer.expect_error(422, "VALIDATION_FAILED");
        assert_eq!(answer.json()["error"]["details"]["field"], field, "{body}");
    }
    let gone = bugle.call("POST", preview, json!({"id": "dst_0000000000000"})).await;
    gone.expect_error(404, "DESTINATION_NOT_FOUND");
    let operate = bugle.key(Scope::Operate).await;
    bugle.call_as(&operate, "POST", preview, json!({})).await.expect_error(403, "FORBIDDEN");
}

#[tokio::test]
async fn a_recovery_is_counted_and_goes_in_steps() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(500);
    let id = impatient(&bugle, &receiver).await;
    for title in ["Disk full", "Disk fuller", "Disk fullest"] {
        delivery_in(&bugle, title, "dead").await;
    }
    let path = format!("/api/v1/destinations/{id}/recover");
    until("all to be given up on", || async { (bugle.get(&path).await["dead"] == 3).then_some(()) }).await;
    assert_eq!(
        bugle.get(&format!("{path}?since=2999-01-01T00:00:00Z")).await,
        json!({"dead": 0, "more": false})
    );
    bugle.call("GET", &format!("{path}?since=now"), Value::Null).await.expect_error(400, "INVALID_PARAMETER");
    bugle.call("POST", &path, json!({"limit": 0})).await.expect_error(422, "VALIDATION_FAILED");
    receiver.answer_with(200);
    let first = bugle.post(&path, json!({"limit": 2})).await;
    assert_eq!(first["recovered"], 2);
    let mut more = first["rest"].clone();
    more["limit"] = json!(2);
    assert_eq!(bugle.post(&path, more).await, json!({"recovered": 1, "rest": null}));
    until("all to arrive", || async { (receiver.received().len() == 6).then_some(()) }).await;
    assert_eq!(bugle.get(&path).await["dead"], 0);
    let read = bugle.key(Scope::Read).await;
    bugle.call_as(&read, "GET", &path, Value::Null).await.expect_error(403, "FORBIDDEN");
}
