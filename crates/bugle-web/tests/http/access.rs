//! Who may call what: every route of the document, with no key, a wrong one, and one of each scope.

use bugle_model::Scope;
use serde_json::{Value, json};

use crate::{
    bugle::TestBugle,
    client::{raw, request},
};

/// Every route with the scope it needs.
fn routes() -> Vec<(String, String, Option<String>)> {
    let document = bugle_web::openapi_document();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| {
            let scope = operation["x-scope"].as_str().map(str::to_owned);
            let path = path.replace("{id}", "zzz_0000000000000");
            // A stream has no end to wait for; a filter that is refused comes after the key.
            let path = if path.ends_with("/stream") { format!("{path}?events=none") } else { path };
            (method.to_ascii_uppercase(), path, scope)
        })
    });
    operations.collect()
}

#[tokio::test]
async fn every_route_is_guarded_as_the_table_says() {
    let bugle = TestBugle::start().await;
    let keys = [
        ("read", bugle.key(Scope::Read).await),
        ("operate", bugle.key(Scope::Operate).await),
        ("admin", bugle.admin_key.clone()),
    ];
    let routes = routes();
    assert!(routes.len() > 40, "{}", routes.len());
    for (method, path, needed) in routes {
        let bare = raw(bugle.address, &request(&method, &path, &[], b"")).await;
        let Some(needed) = needed else {
            assert!(!matches!(bare.status, 401 | 403), "{method} {path}: {bare:?}");
            continue;
        };
        bare.expect_error(401, "UNAUTHENTICATED");
        assert_eq!(bare.header("www-authenticate"), Some("Bearer"));
        for wrong in ["Bearer bgl_00", "Basic YTpi", "bgl_00", "Bearer"] {
            let bytes = request(&method, &path, &[("authorization", wrong)], b"");
            raw(bugle.address, &bytes).await.expect_error(401, "UNAUTHENTICATED");
        }
        let order = ["read", "operate", "admin"];
        let rank = |scope: &str| order.iter().position(|known| *known == scope).unwrap();
        for (scope, key) in &keys {
            let answer = bugle.call_as(key, &method, &path, Value::Null).await;
            if rank(scope) < rank(&needed) {
                answer.expect_error(403, "FORBIDDEN");
                assert_eq!(
                    answer.json()["error"]["details"],
                    json!({"needed_scope": needed, "scope": scope})
                );
            } else {
                assert!(!matches!(answer.status, 401 | 403), "{scope}: {method} {path}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn unknown_parameters_are_refused() {
    let bugle = TestBugle::start().await;
    let answer = bugle.call("GET", "/api/v1/incidents?stauts=open", Value::Null).await;
    answer.expect_error(400, "INVALID_PARAMETER");
    assert!(answer.text.contains("status"), "{answer:?}");
    for (path, code) in [
        ("/api/v1/incidents?limit=0", "INVALID_PARAMETER"),
        ("/api/v1/incidents?limit=201", "INVALID_PARAMETER"),
        ("/api/v1/incidents?status=closed", "INVALID_PARAMETER"),
        ("/api/v1/incidents?cursor=oops", "INVALID_CURSOR"),
        ("/api/v1/receipts?integration_id=inc_0000000000000", "INVALID_PARAMETER"),
        ("/api/v1/receipts?state=lost", "INVALID_PARAMETER"),
        ("/api/v1/deliveries?state=lost", "INVALID_PARAMETER"),
        ("/api/v1/integrations?cursor=zz", "INVALID_CURSOR"),
    ] {
        bugle.call("GET", path, Value::Null).await.expect_error(400, code);
    }
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_told_where() {
    let bugle = TestBugle::start().await;
    let authorization = format!("Bearer {}", bugle.admin_key);
    let send = |body: &'static [u8]| {
        let bytes = request("POST", "/api/v1/integrations", &[("authorization", &authorization)], body);
        async move { raw(bugle.address, &bytes).await }
    };
    let answer = send(b"{\"platform\": ").await;
    answer.expect_error(400, "INVALID_JSON");
    assert_eq!(answer.json()["error"]["details"], json!({"line": 1, "column": 13}));
    for (body, field) in [
        (&b"{\"platform\": \"datadog\", \"nmae\": 1}"[..], "nmae"),
        (b"{}", "platform"),
        (b"{\"platform\": 7}", "platform"),
        (b"{\"platform\": \"nope\"}", "platform"),
        (b"{\"platform\": \"datadog\", \"allowed_ips\": [\"somewhere\"]}", "allowed_ips"),
        (b"{\"platform\": \"datadog\", \"rate_limit\": \"often\"}", "rate_limit"),
        (b"[]", ""),
    ] {
        let answer = send(body).await;
        answer.expect_error(422, "VALIDATION_FAILED");
        assert_eq!(answer.json()["error"]["details"]["field"], field, "{answer:?}");
    }
    let answer = send(b"{\"platform\": \"datadog\", \"secret\": 31337}").await;
    answer.expect_error(422, "VALIDATION_FAILED");
    assert!(!answer.text.contains("31337"), "{answer:?}");
}
