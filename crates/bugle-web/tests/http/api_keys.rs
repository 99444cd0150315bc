//! `/api/v1/api-keys`.

use serde_json::{Value, json};

use crate::bugle::TestBugle;

#[tokio::test]
async fn a_key_is_shown_once_works_and_ends_with_its_deletion() {
    let bugle = TestBugle::start().await;
    let made = bugle.call("POST", "/api/v1/api-keys", json!({"name": "dashboard", "scope": "read"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let key = made["key"].as_str().unwrap();
    assert_eq!(bugle.call_as(key, "GET", "/api/v1/incidents", Value::Null).await.status, 200);
    let list = bugle.get("/api/v1/api-keys").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains(key) && !list.to_string().contains("hash"), "{list}");
    let path = format!("/api/v1/api-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(bugle.call("DELETE", &path, Value::Null).await.status, 204);
    bugle.call_as(key, "GET", "/api/v1/incidents", Value::Null).await.expect_error(401, "UNAUTHENTICATED");
    bugle.call("DELETE", &path, Value::Null).await.expect_error(404, "API_KEY_NOT_FOUND");
}

#[tokio::test]
async fn the_last_admin_key_stays() {
    let bugle = TestBugle::start().await;
    let list = bugle.get("/api/v1/api-keys").await;
    let path = format!("/api/v1/api-keys/{}", list["data"][0]["id"].as_str().unwrap());
    bugle.call("DELETE", &path, Value::Null).await.expect_error(422, "VALIDATION_FAILED");
    bugle
        .call("POST", "/api/v1/api-keys", json!({"scope": "root"}))
        .await
        .expect_error(422, "VALIDATION_FAILED");
}
