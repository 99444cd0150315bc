//! `/incidents/{id}`: what is shown, to whom, and what alerts cannot do to it.

use bugle_model::Scope;
use serde_json::{Value, json};

use crate::{
    bugle::{Hook, TestBugle, until},
    client::Answer,
    receiver::Receiver,
    ui::{Person, expect_page},
};

/// An alert of the platform for anything, with all that a page draws.
async fn fire(hook: &Hook<'_>, id: &str, title: &str) {
    let body = json!({"id": id, "alert_name": title, "alert_type": "error", "severity": "high"});
    let answer = hook.send(&[], body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn with_incident<'b>(bugle: &'b TestBugle, title: &str) -> (Hook<'b>, String) {
    let hook = bugle.integration("datadog", None).await;
    fire(&hook, "mon-1", title).await;
    let id = bugle.only_incident().await["id"].as_str().unwrap().to_owned();
    (hook, id)
}

#[track_caller]
fn expect(answer: &Answer, shown: &[&str], hidden: &[&str]) {
    expect_page(answer, 200);
    for text in shown {
        assert!(answer.text.contains(text), "no {text} in {}", answer.text);
    }
    for text in hidden {
        assert!(!answer.text.contains(text), "{text} in {}", answer.text);
    }
}

#[tokio::test]
async fn an_incident_tells_what_it_is_and_what_happened() {
    let bugle = TestBugle::start().await;
    let (hook, id) = with_incident(&bugle, "Checkout latency").await;
    let otto = bugle.person("otto@example.net", Scope::Operate).await;
    let path = format!("/incidents/{id}");
    let api = |action: &str| format!("/api/v1/incidents/{id}/{action}");
    let receipt = hook.all_receipts().await[0]["id"].as_str().unwrap().to_owned();
    let receipt = format!("href=\"/receipts/{receipt}\"");
    let source = format!("href=\"/sources/{}\"", hook.id);
    let page = otto.see(&path).await;
    expect(&page, &["<h1>Checkout latency</h1>", "1 alert firing", "nobody has it", &receipt, &source], &[]);
    expect(&page, &["data-key=\"a\"", "mon-1", "the alert fired", &api("acknowledge")], &["data-key=\"R\""]);

    otto.act("POST", &api("acknowledge"), &Value::Null).await;
    otto.act("POST", &api("owner"), &json!({"owner": "otto@example.net"})).await;
    otto.act("POST", &api("severity"), &json!({"severity": "SEV-2"})).await;
    let ticket = json!({"system": "jira", "key": "OPS-7", "url": "https://jira.example.com/OPS-7"});
    otto.act("POST", &api("tickets"), &ticket).await;
    let page = otto.see(&path).await;
    let shown = ["<b>otto@example.net</b> has it", ">SEV-2<", "href=\"https://jira.example.com/OPS-7\""];
    expect(&page, &shown, &["data-key=\"a\"", "data-key=\"o\""]);

    let resolution = json!({"resolution": "expected", "comment": "planned\nwork"});
    otto.act("POST", &api("resolve"), &resolution).await;
    let page = otto.see(&path).await;
    let shown = ["Resolved: expected", "planned\nwork", "In progress", "data-key=\"R\"", "lasted 0 s"];
    expect(&page, &shown[..2], &["data-open=\"#status\""]);
    expect(&page, &shown[3..], &[]);
}

#[tokio::test]
async fn who_may_only_read_is_shown_nothing_to_do() {
    let bugle = TestBugle::start().await;
    let (_, id) = with_incident(&bugle, "Checkout latency").await;
    let rita = bugle.person("rita@example.net", Scope::Read).await;
    let page = rita.see(&format!("/incidents/{id}")).await;
    expect(&page, &["Checkout latency", "Timeline"], &["data-call", "<dialog id=\"resolve\"", "<textarea"]);
    let path = format!("/api/v1/incidents/{id}/resolve");
    rita.act("POST", &path, &json!({"resolution": "fixed"})).await.expect_error(403, "FORBIDDEN");
}

#[tokio::test]
async fn hostile_text_stays_text_and_the_page_stays_light() {
    let bugle = TestBugle::start().await;
    let hostile = "</pre></script><img src=x onerror=alert(1)>\"'&";
    let hook = bugle.integration("datadog", None).await;
    let body = json!({
        "id": "mon-1", "alert_name": hostile, "alert_type": "error", "body": hostile.repeat(600),
        "tags": (0..300).map(|n| format!("tag{n}:{hostile}{}", "<".repeat(900))).collect::<Vec<_>>().join(","),
        "extra": hostile.repeat(2_000),
    });
    assert_eq!(hook.send(&[], body.to_string().as_bytes()).await.status, 200);
    let id = bugle.only_incident().await["id"].as_str().unwrap().to_owned();
    let otto = bugle.person("otto@example.net", Scope::Operate).await;
    for _ in 0..14 {
        let comment = json!({"comment": hostile.repeat(600)});
        otto.act("POST", &format!("/api/v1/incidents/{id}/comments"), &comment).await;
    }
    let page = otto.see(&format!("/incidents/{id}")).await;
    expect(&page, &["&#60;img src=x", "&lt;img src=x"], &["<img", "</pre></script>"]);
}

#[tokio::test]
async fn a_long_timeline_comes_in_pages() {
    let bugle = TestBugle::start().await;
    let (_, id) = with_incident(&bugle, "Checkout latency").await;
    let otto = bugle.person("otto@example.net", Scope::Operate).await;
    for n in 2..=33 {
        let comment = json!({"comment": format!("comment number {n}.")});
        bugle.post(&format!("/api/v1/incidents/{id}/comments"), comment).await;
    }
    let mut path = format!("/incidents/{id}");
    let mut seen = Vec::new();
    loop {
        let page = otto.see(&path).await;
        expect_page(&page, 200);
        let numbers = page.text.split("id=\"event-").skip(1).map(|rest| rest.split('"').next().unwrap());
        seen.extend(numbers.map(|number| number.parse::<u32>().unwrap()));
        assert_eq!(page.text.contains("Back to the newest"), path.contains("before="), "{path}");
        let older =
            page.text.split("href=\"").find(|rest| rest.contains("rel=\"next\"") && rest.starts_with("/inc"));
        let Some(older) = older.filter(|rest| rest.split('>').next().unwrap().contains("rel=\"next\""))
        else {
            break;
        };
        path = older.split(['#', '"']).next().unwrap().to_owned();
    }
    assert_eq!(seen, (1..=33).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn each_event_says_where_it_went() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    let made = json!({"name": "Data platform", "dialect": "standard-webhooks", "url": receiver.url()});
    bugle.post("/api/v1/destinations", made).await;
    let (_, id) = with_incident(&bugle, "Checkout latency").await;
    let rita = bugle.person("rita@example.net", Scope::Read).await;
    let page = until("the delivery", || async {
        let page = rita.see(&format!("/incidents/{id}")).await;
        page.text.contains("Data platform<span class=\"unseen\">: delivered").then_some(page)
    })
    .await;
    let deliveries = bugle.get(&format!("/api/v1/incidents/{id}/deliveries")).await;
    let delivery = deliveries["data"][0]["id"].as_str().unwrap();
    expect(&page, &[&format!("class=\"tag good\" href=\"/deliveries/{delivery}\"")], &[]);
}

#[tokio::test]
async fn a_group_shows_its_alerts_and_the_chosen_one() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("prometheus", None).await;
    let alert = |n: u32| {
        json!({"status": "firing", "labels": {"alertname": "DiskFull", "instance": format!("web-{n:02}")},
               "annotations": {}, "startsAt": "2026-11-20T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
               "generatorURL": "https://prometheus.example.com/graph", "fingerprint": format!("{n:016x}")})
    };
    let alerts: Vec<_> = (1..=15).map(alert).collect();
    let body = json!({"version": "4", "groupKey": "{}:{alertname=\"DiskFull\"}", "status": "firing",
        "truncatedAlerts": 0, "receiver": "bugle", "groupLabels": {"alertname": "DiskFull"},
        "commonLabels": {"alertname": "DiskFull"}, "commonAnnotations": {},
        "externalURL": "https://alertmanager.example.com", "alerts": alerts});
    let answer = hook.send(&[], body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let incident = bugle.only_incident().await;
    let id = incident["id"].as_str().unwrap();
    let rita = bugle.person("rita@example.net", Scope::Read).await;
    let page = rita.see(&format!("/incidents/{id}")).await;
    expect(&page, &["15 alerts firing", "More alerts", "DiskFull", "As it was sent"], &[]);
    let alerts = bugle.get(&format!("/api/v1/incidents/{id}/alerts")).await;
    let third = &alerts["data"][2];
    let path = format!("/incidents/{id}?alert={}", third["id"].as_str().unwrap());
    let page = rita.see(&path).await;
    expect(&page, &[&format!("<code>{}</code>", third["fingerprint"].as_str().unwrap())], &[]);
    assert_eq!(page.text.matches("aria-current=\"true\"").count(), 1, "{}", page.text);
}

#[tokio::test]
async fn a_label_leads_to_the_incidents_that_have_it() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("prometheus", None).await;
    let alert = |name: &str, zone: &str| {
        json!({"status": "firing", "labels": {"alertname": name, "zone": zone, "note": "long ".repeat(100)},
               "annotations": {}, "startsAt": "2026-11-20T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
               "generatorURL": "https://prometheus.example.com/graph", "fingerprint": name})
    };
    for (name, zone) in [("DiskFull", "eu & north"), ("north eu", "south")] {
        let body = json!({"version": "4", "groupKey": name, "status": "firing", "truncatedAlerts": 0,
            "receiver": "bugle", "groupLabels": {"alertname": name}, "commonLabels": {}, "commonAnnotations": {},
            "externalURL": "https://alertmanager.example.com", "alerts": [alert(name, zone)]});
        assert_eq!(hook.send(&[], body.to_string().as_bytes()).await.status, 200);
    }
    bugle.drain().await;
    let rita = bugle.person("rita@example.net", Scope::Read).await;
    let all = bugle.get("/api/v1/incidents?q=DiskFull").await;
    let page = rita.see(&format!("/incidents/{}", all["data"][0]["id"].as_str().unwrap())).await;
    let link = "/incidents?label=zone%3Aeu+%26+north";
    expect(&page, &[&format!("href=\"{link}\""), "<li><code>note=long"], &[]);
    expect(&rita.see(link).await, &["DiskFull"], &["north eu"]);
}

#[tokio::test]
async fn what_is_measured_and_what_moved_with_it_is_drawn() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("anomify", None).await;
    let body = json!({"data": {"anomaly": {
        "id": "7", "metric": "crane.load", "timestamp": 1_788_346_800, "value": 95.5, "anomalyScore": 0.9,
        "cross correlations": {"crane.speed": {"coefficient": -0.5, "shifted": -2, "shifted_coefficient": 0.75}},
        "possible related anomalies": {"8": {"metric": "crane.heat", "timestamp": 1_788_346_740}},
    }}, "status": {}});
    let answer = hook.send(&[], body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let id = bugle.only_incident().await["id"].as_str().unwrap().to_owned();
    let rita = bugle.person("rita@example.net", Scope::Read).await;
    let shown = ["<b>95.5</b>", "0.75 when shifted by -2", "width=\"250\"", "width=\"375\"", "crane.heat"];
    expect(&rita.see(&format!("/incidents/{id}")).await, &shown, &[]);
}

#[tokio::test]
async fn what_does_not_exist_is_told() {
    let bugle = TestBugle::start().await;
    let (_, id) = with_incident(&bugle, "Checkout latency").await;
    let rita: Person<'_> = bugle.person("rita@example.net", Scope::Read).await;
    expect_page(&rita.see("/incidents/inc_0000000000000").await, 404);
    expect_page(&rita.see("/incidents/nonsense").await, 404);
    for wrong in ["before=-1", "alerts=zz", "alert=nonsense"] {
        expect_page(&rita.see(&format!("/incidents/{id}?{wrong}")).await, 400);
    }
    for beyond in ["before=1", "before=4000000000", "alerts=1", "alert=alr_0000000000007"] {
        expect_page(&rita.see(&format!("/incidents/{id}?{beyond}")).await, 200);
    }
}

#[tokio::test]
async fn what_else_is_wrong_there_is_told() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    for (id, service) in [("mon-1", "cranes"), ("mon-2", "cranes"), ("mon-3", "pumps")] {
        let body = json!({"id": id, "alert_name": format!("Trouble {id}"), "alert_type": "error",
            "tags": format!("service:{service}")});
        assert_eq!(hook.send(&[], body.to_string().as_bytes()).await.status, 200);
    }
    bugle.drain().await;
    let incidents = bugle.get("/api/v1/incidents?q=cranes").await;
    let id = |at: usize| incidents["data"][at]["id"].as_str().unwrap();
    let related = bugle.get(&format!("/api/v1/incidents/{}/related", id(0))).await;
    assert_eq!(related["data"].as_array().unwrap().len(), 1, "{related}");
    assert_eq!((&related["data"][0]["id"], &related["next_cursor"]), (&json!(id(1)), &Value::Null));
    let rita = bugle.person("rita@example.net", Scope::Read).await;
    let page = rita.see(&format!("/incidents/{}", id(0))).await;
    expect(&page, &[&format!("href=\"/incidents/{}\"", id(1)), "Trouble mon-1"], &["Trouble mon-3"]);
}
