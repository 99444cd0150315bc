//! `/api/v1/incidents`.

use bugle_model::Scope;
use serde_json::{Value, json};

use crate::bugle::TestBugle;

async fn with_incident(bugle: &TestBugle) -> String {
    let hook = bugle.integration("datadog", None).await;
    let body =
        br#"{"id": "mon-7781", "alert_name": "Checkout latency", "alert_type": "error", "severity": "high"}"#;
    assert_eq!(hook.send(&[], body).await.status, 200);
    format!("/api/v1/incidents/{}", bugle.only_incident().await["id"].as_str().unwrap())
}

#[tokio::test]
async fn every_action_is_idempotent_and_answers_the_incident() {
    let bugle = TestBugle::start().await;
    let path = with_incident(&bugle).await;
    let ticket = json!({"system": "jira", "key": "OPS-7", "url": "https://jira.example.com/browse/OPS-7"});
    let actions = [
        ("POST", "acknowledge", Value::Null, "status", json!("acknowledged")),
        ("POST", "status", json!({"status": "work_in_progress"}), "status", json!("work_in_progress")),
        ("POST", "owner", json!({"owner": "ada@example.com"}), "owner", json!("ada@example.com")),
        ("POST", "tickets", ticket.clone(), "tickets", json!([ticket])),
        ("POST", "severity", json!({"severity": "SEV-2"}), "declared_severity", json!("SEV-2")),
        ("DELETE", "severity", Value::Null, "declared_severity", Value::Null),
        ("POST", "owner", json!({"owner": null}), "owner", Value::Null),
        (
            "POST",
            "resolve",
            json!({"resolution": "expected", "comment": "planned"}),
            "status",
            json!("expected"),
        ),
        ("POST", "reopen", json!({}), "status", json!("open")),
    ];
    let mut revision = bugle.get(&path).await["revision"].as_u64().unwrap();
    for (method, action, body, field, expected) in actions {
        let url = format!("{path}/{action}");
        let answer = bugle.call(method, &url, body.clone()).await;
        assert_eq!((answer.status, &answer.json()[field]), (200, &expected), "{action}: {answer:?}");
        revision += 1;
        assert_eq!(answer.json()["revision"], revision, "{action}");
        let again = bugle.call(method, &url, body).await;
        assert_eq!(again.json(), answer.json(), "{action} twice");
    }
    let commented = bugle.post(&format!("{path}/comments"), json!({"comment": "looks better"})).await;
    assert_eq!(commented["revision"], revision + 1);
    let timeline = bugle.get(&format!("{path}/timeline")).await;
    let kinds: Vec<_> =
        timeline["data"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "incident.created",
            "incident.acknowledged",
            "incident.status_changed",
            "incident.owner_changed",
            "incident.ticket_attached",
            "incident.severity_declared",
            "incident.severity_cleared",
            "incident.owner_changed",
            "incident.resolved",
            "incident.reopened",
            "incident.commented",
        ]
    );
    assert_eq!(timeline["data"][1]["actor"]["type"], "api_key");
    assert_eq!(timeline["data"][1]["actor"]["name"], "test key");
    assert_eq!(timeline["data"][8]["comment"], "planned");
}

#[tokio::test]
async fn actions_that_make_no_sense_are_refused() {
    let bugle = TestBugle::start().await;
    let path = with_incident(&bugle).await;
    for (action, body, status, code) in [
        ("resolve", json!({"resolution": "open"}), 422, "VALIDATION_FAILED"),
        ("resolve", json!({}), 422, "VALIDATION_FAILED"),
        ("status", json!({"status": "closed"}), 422, "VALIDATION_FAILED"),
        ("severity", json!({"severity": "SEV-9"}), 422, "VALIDATION_FAILED"),
        ("owner", json!({}), 422, "VALIDATION_FAILED"),
        ("owner", json!({"owner": "nobody"}), 422, "VALIDATION_FAILED"),
        ("comments", json!({"comment": " "}), 422, "VALIDATION_FAILED"),
        ("comments", json!({"comment": "x".repeat(40_000)}), 422, "VALIDATION_FAILED"),
        (
            "tickets",
            json!({"system": "jira", "key": "A-1", "url": "javascript:alert(1)"}),
            422,
            "VALIDATION_FAILED",
        ),
        ("acknowledge", json!({"why": "because"}), 422, "VALIDATION_FAILED"),
    ] {
        bugle.call("POST", &format!("{path}/{action}"), body).await.expect_error(status, code);
    }
    bugle.post(&format!("{path}/resolve"), json!({"resolution": "fixed"})).await;
    bugle
        .call("POST", &format!("{path}/acknowledge"), Value::Null)
        .await
        .expect_error(409, "INCIDENT_RESOLVED");
    for id in ["inc_0000000000000", "nonsense"] {
        let path = format!("/api/v1/incidents/{id}");
        for rest in ["", "/timeline", "/alerts", "/deliveries"] {
            bugle
                .call("GET", &format!("{path}{rest}"), Value::Null)
                .await
                .expect_error(404, "INCIDENT_NOT_FOUND");
        }
        bugle
            .call("POST", &format!("{path}/reopen"), Value::Null)
            .await
            .expect_error(404, "INCIDENT_NOT_FOUND");
    }
}

#[tokio::test]
async fn the_list_filters_and_pages() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    for n in 1..=3 {
        let body =
            format!(r#"{{"id": "mon-{n}", "alert_name": "Problem {n} of checkout", "alert_type": "error"}}"#);
        assert_eq!(hook.send(&[], body.as_bytes()).await.status, 200);
    }
    bugle.drain().await;
    let first = bugle.get("/api/v1/incidents?limit=2").await;
    assert_eq!(first["data"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = bugle.get(&format!("/api/v1/incidents?limit=2&cursor={cursor}")).await;
    assert_eq!((second["data"].as_array().unwrap().len(), &second["next_cursor"]), (1, &Value::Null));
    let id = first["data"][0]["id"].as_str().unwrap();
    bugle.post(&format!("/api/v1/incidents/{id}/owner"), json!({"owner": "ada@example.com"})).await;
    bugle.post(&format!("/api/v1/incidents/{id}/resolve"), json!({"resolution": "fixed"})).await;
    for (query, count) in [
        ("status=open", 2),
        ("status=open,fixed", 3),
        ("status=open&status=fixed", 3),
        ("status=unresolved", 2),
        ("status=resolved", 1),
        ("status=false_positive", 0),
        ("owner=ada@example.com", 1),
        ("owner=", 2),
        ("platform=datadog", 3),
        ("platform=grafana", 0),
        ("q=checkout", 3),
        ("q=%22%27%2A%20OR", 0),
    ] {
        let page = bugle.get(&format!("/api/v1/incidents?{query}")).await;
        assert_eq!(page["data"].as_array().unwrap().len(), count, "{query}: {page}");
    }
}

#[tokio::test]
async fn alerts_are_listed() {
    let bugle = TestBugle::start().await;
    let path = with_incident(&bugle).await;
    let alerts = bugle.get(&format!("{path}/alerts")).await;
    assert_eq!(alerts["data"].as_array().unwrap().len(), 1);
    assert_eq!(alerts["data"][0]["status"], "firing");
    assert_eq!(bugle.get(&format!("{path}/deliveries")).await["data"], json!([]));
}

#[tokio::test]
async fn who_may_only_read_cannot_act() {
    let bugle = TestBugle::start().await;
    let path = with_incident(&bugle).await;
    let reader = bugle.key(Scope::Read).await;
    let answer = bugle.call_as(&reader, "POST", &format!("{path}/acknowledge"), Value::Null).await;
    answer.expect_error(403, "FORBIDDEN");
    assert_eq!(bugle.get(&path).await["status"], "open");
}
