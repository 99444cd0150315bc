//! `/routing` and what it is made from: who is told of an event, and why the others are not.

use bugle_model::Scope;
use serde_json::{Value, json};

use crate::{bugle::TestBugle, ui::expect_page};

/// A hub with one incident, and destinations that differ in what they want.
async fn hub() -> (TestBugle, String) {
    let bugle = TestBugle::start().await;
    let url = "https://receiver.example/hook";
    let mut last = Value::Null;
    for body in [
        json!({"name": "takes all", "url": url}),
        json!({"name": "resolved only", "url": url, "events": ["incident.resolved"]}),
        json!({"name": "elsewhere", "url": url, "filter": {"platforms": ["grafana"], "severities": ["info"]}}),
        json!({"name": "<b>hostile</b>", "url": url, "filter": {"labels": {"team": "<i>payments</i>"}}}),
        json!({"name": "switched off", "url": url}),
    ] {
        last = bugle.post("/api/v1/destinations", body).await;
    }
    let off = last["id"].as_str().unwrap();
    bugle.call("PATCH", &format!("/api/v1/destinations/{off}"), json!({"enabled": false})).await;
    let hook = bugle.integration("datadog", None).await;
    hook.send(&[], br#"{"id": "1", "alert_name": "Disk full", "alert_type": "error"}"#).await;
    let incident = bugle.only_incident().await["id"].as_str().unwrap().to_owned();
    (bugle, incident)
}

/// What is said of the destination with this name.
fn said<'t>(told: &'t Value, name: &str) -> &'t Value {
    let all = told["data"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name} in {told}"))
}

#[tokio::test]
async fn each_destination_says_why() {
    let (bugle, incident) = hub().await;
    let path = format!("/api/v1/incidents/{incident}/routing");
    let told = bugle.get(&path).await;
    for (name, outcome, conditions) in [
        ("takes all", "sent", &[][..]),
        ("resolved only", "unwanted", &["event_kind"]),
        ("elsewhere", "unwanted", &["platform", "severity"]),
        ("<b>hostile</b>", "unwanted", &["label"]),
        ("switched off", "waits", &[]),
    ] {
        let one = said(&told, name);
        let objections = one["objections"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = objections.iter().map(|one| one["condition"].as_str().unwrap()).collect();
        assert_eq!((&one["outcome"], found.as_slice()), (&json!(outcome), conditions), "{one}");
        // What is said is what was done.
        assert_eq!(one["delivery"].is_object(), outcome != "unwanted", "{one}");
    }
    assert_eq!(said(&told, "switched off")["until"], "enabling");
    bugle.post(&format!("/api/v1/incidents/{incident}/resolve"), json!({"resolution": "fixed"})).await;
    let latest = bugle.get(&path).await;
    assert_eq!(latest["event"]["kind"], "incident.resolved");
    assert_eq!(said(&latest, "resolved only")["outcome"], "sent");
    let first = bugle.get(&format!("{path}?sequence=1")).await;
    assert_eq!(first["event"], told["event"]);
    assert_eq!(said(&first, "resolved only")["outcome"], "unwanted");
    for wrong in ["0", "99", "x", "-1"] {
        let answer = bugle.call("GET", &format!("{path}?sequence={wrong}"), Value::Null).await;
        answer.expect_error(400, "INVALID_PARAMETER");
    }
    let none = bugle.call("GET", "/api/v1/incidents/inc_0000000000000/routing", Value::Null).await;
    none.expect_error(404, "INCIDENT_NOT_FOUND");
}

#[tokio::test]
async fn the_page_says_it_in_sentences() {
    let (bugle, incident) = hub().await;
    let rob = bugle.person("rob", Scope::Read).await;
    let page = rob.see("/routing").await;
    expect_page(&page, 200);
    assert!(page.text.contains(&format!("/routing?incident={incident}")), "{}", page.text);
    for address in [format!("/routing?incident={incident}"), format!("/routing?q={incident}")] {
        let page = rob.see(&address).await;
        expect_page(&page, 200);
        for sentence in [
            "It wants only incident.resolved; this is incident.created.",
            "It wants only what is from grafana; this is from datadog.",
            "there is no such label here.",
            "What it wants waits until somebody enables it.",
            "&#60;b&#62;hostile",
            "2 of 5 destinations",
        ] {
            assert!(page.text.contains(sentence), "{sentence} is missing in {}", page.text);
        }
        assert!(!page.text.contains("<b>hostile") && !page.text.contains("<i>payments"), "{}", page.text);
    }
    assert!(rob.see("/routing?q=nothing-like-it").await.text.contains("No incident fits"));
    expect_page(&rob.see(&format!("/routing?incident={incident}&sequence=99")).await, 400);
    expect_page(&rob.see("/routing?incident=inc_0000000000000").await, 404);
}

#[tokio::test]
async fn without_destinations_it_says_what_to_do() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let (ada, rob) = (bugle.person("ada", Scope::Admin).await, bugle.person("rob", Scope::Read).await);
    assert!(rob.see("/routing").await.text.contains("No incidents yet"));
    hook.send(&[], br#"{"id": "1", "alert_name": "Disk full", "alert_type": "error"}"#).await;
    let incident = bugle.only_incident().await["id"].as_str().unwrap().to_owned();
    let path = format!("/routing?incident={incident}");
    for (person, is_offered) in [(&ada, true), (&rob, false)] {
        let text = person.see(&path).await.text;
        assert!(text.contains("Nobody is told"), "{text}");
        assert_eq!(text.contains("Add a destination"), is_offered, "{text}");
    }
}
