//! Who changed what: each change leaves an entry that says so, and no secret.

use bugle_model::Scope;
use serde_json::{Value, json};

use crate::bugle::TestBugle;

/// The audit log's entries, oldest first: action, who, subject's name, details.
async fn entries(bugle: &TestBugle) -> Vec<(String, String, String, String)> {
    let page = bugle.get("/api/v1/audit?limit=200").await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut entries: Vec<_> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let actor = &entry["actor"];
            let who = if actor["type"] == "user" { text(&actor["email"]) } else { text(&actor["name"]) };
            let details: Vec<_> = entry["details"].as_array().unwrap().iter().map(text).collect();
            (text(&entry["action"]), who, text(&entry["subject"]["name"]), details.join(", "))
        })
        .collect();
    entries.reverse();
    entries
}

#[tokio::test]
async fn each_change_says_who_did_what() {
    let bugle = TestBugle::start().await;
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    let source = json!({"platform": "datadog", "name": "prod", "secret": "hunter2-hunter2"});
    let source = format!("/api/v1/integrations/{}", id(&bugle.post("/api/v1/integrations", source).await));
    bugle.call("PATCH", &source, json!({"name": "production", "enabled": false})).await;
    let secret = id(&bugle.post(&format!("{source}/secrets"), json!({"secret": "hunter3-hunter3"})).await);
    bugle.call("DELETE", &format!("{source}/secrets/{secret}"), Value::Null).await;
    bugle.call("DELETE", &source, Value::Null).await;
    let new = json!({"name": "pager", "url": "https://pager.example/hook", "secret": "whsec_aHVudGVyNGh1bnRlcjRodW50ZXI0aHVudGVyNA=="});
    let destination = format!("/api/v1/destinations/{}", id(&bugle.post("/api/v1/destinations", new).await));
    let patch = json!({"headers": {"x-token": "hunter5"}, "concurrency": 2});
    bugle.call("PATCH", &destination, patch).await;
    bugle.post(&format!("{destination}/enable"), Value::Null).await;
    bugle.call("DELETE", &destination, Value::Null).await;
    let key = id(&bugle.post("/api/v1/api-keys", json!({"name": "ci", "scope": "read"})).await);
    bugle.call("DELETE", &format!("/api/v1/api-keys/{key}"), Value::Null).await;
    let user = id(&bugle.post("/api/v1/users", json!({"name": "bob", "role": "read"})).await);
    let user = format!("/api/v1/users/{user}");
    bugle.call("PATCH", &user, json!({"role": "operate", "password": "hunter6 hunter6"})).await;
    bugle.call("POST", &format!("{user}/sign-out"), Value::Null).await;
    bugle.call("DELETE", &user, Value::Null).await;
    let expected = [
        ("integration.created", "prod", ""),
        ("integration.changed", "production", "name, disabled"),
        ("integration.secret_added", "production", ""),
        ("integration.secret_removed", "production", ""),
        ("integration.deleted", "production", ""),
        ("destination.created", "pager", ""),
        ("destination.changed", "pager", "headers, concurrency"),
        ("destination.enabled", "pager", ""),
        ("destination.deleted", "pager", ""),
        ("api_key.created", "ci", "read"),
        ("api_key.deleted", "ci", ""),
        ("user.created", "bob", "role read"),
        ("user.linked", "bob", ""),
        ("user.changed", "bob", "role read to operate, password"),
        ("user.signed_out", "bob", ""),
        ("user.deleted", "bob", ""),
    ];
    let found = entries(&bugle).await;
    // The first is the key that the test itself calls with, which nobody asked for by the API.
    assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("api_key.created", "Bugle"));
    let found: Vec<_> = found[1..]
        .iter()
        .map(|(action, who, name, details)| {
            assert_eq!(who, "test key", "{action}");
            (action.as_str(), name.as_str(), details.as_str())
        })
        .collect();
    assert_eq!(found, expected);
    let whole = bugle.get("/api/v1/audit?limit=200").await.to_string();
    assert!(
        !whole.contains("hunter")
            && !whole.contains("argon2")
            && !whole.contains("bgl_")
            && !whole.contains("whsec_"),
        "{whole}"
    );
}

#[tokio::test]
async fn signing_in_is_noted_and_so_is_failing_to() {
    let bugle = TestBugle::start().await;
    let ada = bugle.person("ada", Scope::Admin).await;
    for (name, password) in [("ADA", "wrong"), ("my password in the wrong field", "x")] {
        bugle.engine.sign_in(name, password.into(), "192.0.2.7".parse().unwrap()).await.unwrap_err();
    }
    ada.act("POST", "/api/v1/users", &json!({"name": "bob", "role": "read"})).await;
    let page = bugle.get("/api/v1/audit?about=sign_in").await;
    let rows = page["data"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "{page}");
    assert_eq!(
        (&rows[0]["actor"], &rows[0]["subject"], &rows[0]["address"]),
        (&Value::Null, &Value::Null, &json!("192.0.2.7"))
    );
    assert_eq!((&rows[1]["action"], &rows[1]["subject"]["name"]), (&json!("sign_in.failed"), &json!("ada")));
    assert_eq!((&rows[2]["action"], &rows[2]["actor"]["email"]), (&json!("sign_in.ok"), &json!("ada")));
    assert!(!page.to_string().contains("wrong field"), "{page}");
    let by_ada = bugle.get("/api/v1/audit?actor=AD&about=user").await;
    assert_eq!(by_ada["data"][0]["action"], "user.linked", "{by_ada}");
    assert_eq!(by_ada["data"].as_array().unwrap().len(), 2, "{by_ada}");
    let bob = by_ada["data"][0]["subject"]["id"].as_str().unwrap();
    let of_bob = bugle.get(&format!("/api/v1/audit?subject={bob}&limit=1")).await;
    assert_eq!(
        (of_bob["data"].as_array().unwrap().len(), of_bob["next_cursor"].is_string()),
        (1, true),
        "{of_bob}"
    );
}

#[tokio::test]
async fn only_admins_read_it() {
    let bugle = TestBugle::start().await;
    for scope in [Scope::Read, Scope::Operate] {
        let key = bugle.key(scope).await;
        bugle.call_as(&key, "GET", "/api/v1/audit", Value::Null).await.expect_error(403, "FORBIDDEN");
        let about = bugle.call_as(&key, "GET", "/api/v1/about", Value::Null).await.json();
        assert_eq!(about["settings"], Value::Null, "{about}");
        assert!(about["store"]["bytes"].as_u64().unwrap() > 4_096, "{about}");
    }
    assert!(bugle.get("/api/v1/about").await["settings"].is_array());
    bugle.call("GET", "/api/v1/audit?about=users", Value::Null).await.expect_error(400, "INVALID_PARAMETER");
}
