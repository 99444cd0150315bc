//! The pages from outside: who gets in, what is refused, what every page carries.

use bugle_engine::accounts::{NewUser, Purpose};
use bugle_model::Scope;
use bugle_web::WebSettings;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    bugle::TestBugle,
    client::{Answer, raw, request},
};

const HOST: &str = "hub.example.com";
const ORIGIN: (&str, &str) = ("origin", "http://hub.example.com");
const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
const PASSWORD: &str = "correct horse battery staple";

/// A person with a browser.
pub struct Person<'b> {
    bugle: &'b TestBugle,
    cookie: String,
}

impl TestBugle {
    /// Makes a user and signs them in, by the form.
    pub async fn person(&self, name: &str, role: Scope) -> Person<'_> {
        let new = NewUser { name: name.into(), role, password: Some(PASSWORD.into()) };
        self.engine.create_user(new).await.unwrap();
        let answer = form(self, "/sign-in", &[ORIGIN], &[("name", name), ("password", PASSWORD)]).await;
        Person { bugle: self, cookie: cookie_of(&answer) }
    }
}

/// The session's cookie of an answer that signs in.
fn cookie_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:?}");
    let line = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(line.contains(part), "{line}");
    }
    line.split(';').next().unwrap().to_owned()
}

/// Sends a form as a browser does.
async fn form(bugle: &TestBugle, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
    let encode = |text: &str| text.replace('%', "%25").replace('&', "%26").replace(' ', "+");
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    raw(bugle.address, &request("POST", path, headers, pairs.join("&").as_bytes())).await
}

/// Looks at a page without having signed in.
async fn look(bugle: &TestBugle, path: &str) -> Answer {
    raw(bugle.address, &request("GET", path, &[HTML], b"")).await
}

impl Person<'_> {
    /// Looks at a page.
    pub async fn see(&self, path: &str) -> Answer {
        let headers = [HTML, ("cookie", &self.cookie)];
        raw(self.bugle.address, &request("GET", path, &headers, b"")).await
    }

    /// The token that pages hold.
    pub async fn token(&self) -> String {
        let page = self.see("/account").await.text;
        let rest = page.split("name=\"csrf-token\" content=\"").nth(1).expect("a token");
        rest.split('"').next().unwrap().to_owned()
    }

    /// Calls the API with these headers beside the cookie.
    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [&[("cookie", self.cookie.as_str())], headers].concat();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        raw(self.bugle.address, &request(method, path, &headers, body.as_bytes())).await
    }

    /// Calls the API as a page does.
    pub async fn act(&self, method: &str, path: &str, body: &Value) -> Answer {
        let token = self.token().await;
        self.call(method, path, &[ORIGIN, ("x-csrf-token", &token)], body).await
    }
}

/// Fails unless it is a page as every page is.
#[track_caller]
pub fn expect_page(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{answer:?}");
    let policy = answer.header("content-security-policy").expect("a policy");
    for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
    let text = &answer.text;
    assert!(text.len() < 100 * 1024, "{} bytes", text.len());
    for forbidden in ["style=\"", "<style", "onclick=", "javascript:", "<script>"] {
        assert!(!text.contains(forbidden), "{forbidden} in {text}");
    }
    assert_eq!(text.matches("<h1").count(), 1, "{text}");
}

#[tokio::test]
async fn one_signs_in_where_one_wanted_to_go() {
    let bugle = TestBugle::start().await;
    expect_page(&look(&bugle, "/sign-in").await, 200);
    assert!(look(&bugle, "/sign-in").await.text.contains("Nobody can sign in yet"));
    bugle.person("ada@example.net", Scope::Read).await;
    let answer = look(&bugle, "/incidents?status=open&q=a%20b").await;
    assert_eq!(answer.status, 303);
    let next = "/incidents?status=open&q=a%20b";
    assert_eq!(answer.header("location"), Some("/sign-in?next=%2Fincidents%3Fstatus%3Dopen%26q%3Da%2520b"));
    let page = look(&bugle, answer.header("location").unwrap()).await;
    expect_page(&page, 200);
    assert!(page.text.contains("value=\"/incidents?status=open&#38;q=a%20b\""), "{}", page.text);
    let fields = [("name", "ADA@example.net"), ("password", PASSWORD), ("next", next)];
    let answer = form(&bugle, "/sign-in", &[ORIGIN], &fields).await;
    assert_eq!(answer.header("location"), Some(next));
    let ada = Person { bugle: &bugle, cookie: cookie_of(&answer) };
    expect_page(&ada.see(next).await, 200);
    assert_eq!(ada.see("/sign-in").await.status, 303, "who is signed in does not sign in");
    let answer =
        form(&bugle, "/sign-in", &[ORIGIN], &[fields[0], fields[1], ("next", "//evil.example")]).await;
    assert_eq!(answer.header("location"), Some("/"));
}

#[tokio::test]
async fn a_refusal_tells_nothing() {
    let bugle = TestBugle::start().await;
    bugle.person("ada@example.net", Scope::Admin).await;
    let mut texts = Vec::new();
    for (name, password) in [("ada@example.net", "not her password"), ("nobody@example.net", PASSWORD)] {
        let answer = form(&bugle, "/sign-in", &[ORIGIN], &[("name", name), ("password", password)]).await;
        expect_page(&answer, 422);
        assert!(answer.header("set-cookie").is_none() && !answer.text.contains(password), "{answer:?}");
        texts.push(answer.text.replace(name, ""));
    }
    assert_eq!(texts[0], texts[1]);
    for _ in 0..9 {
        form(&bugle, "/sign-in", &[ORIGIN], &[("name", "ada@example.net"), ("password", "wrong again")])
            .await;
    }
    let answer =
        form(&bugle, "/sign-in", &[ORIGIN], &[("name", "ada@example.net"), ("password", PASSWORD)]).await;
    expect_page(&answer, 429);
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let bugle = TestBugle::start().await;
    let ada = bugle.person("ada", Scope::Admin).await;
    let token = ada.token().await;
    let cookie = ("cookie", ada.cookie.as_str());
    for headers in [
        &[][..],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[ORIGIN, ("sec-fetch-site", "cross-site")],
        &[ORIGIN, ("sec-fetch-site", "same-site")],
    ] {
        let fields = [("name", "ada"), ("password", PASSWORD)];
        expect_page(&form(&bugle, "/sign-in", headers, &fields).await, 403);
        let headers = [headers, &[cookie]].concat();
        expect_page(&form(&bugle, "/sign-out", &headers, &[("csrf", &token)]).await, 403);
    }
    expect_page(&form(&bugle, "/sign-out", &[ORIGIN, cookie], &[("csrf", "00")]).await, 403);
    expect_page(&ada.see("/account").await, 200);
}

#[tokio::test]
async fn by_tls_a_session_is_kept_from_the_network_and_from_neighbours() {
    let url = Some("https://hub.example.com".parse().unwrap());
    let bugle = TestBugle::with(WebSettings { public_url: url, ..WebSettings::default() }).await;
    let new = NewUser { name: "ada".into(), role: Scope::Read, password: Some(PASSWORD.into()) };
    bugle.engine.create_user(new).await.unwrap();
    let origin = ("origin", "https://hub.example.com");
    let answer = form(&bugle, "/sign-in", &[origin], &[("name", "ada"), ("password", PASSWORD)]).await;
    assert!(answer.header("set-cookie").unwrap().ends_with("; Secure"), "{answer:?}");
    let cookie = cookie_of(&answer);
    let ada = Person { bugle: &bugle, cookie: cookie.clone() };
    expect_page(&ada.see("/account").await, 200);
    let set_by_a_neighbour = cookie.strip_prefix("__Host-").unwrap().to_owned();
    let neighbour = Person { bugle: &bugle, cookie: set_by_a_neighbour };
    assert_eq!(neighbour.see("/account").await.status, 303);
}

#[tokio::test]
async fn a_form_that_is_longer_than_any_is_refused() {
    let bugle = TestBugle::start().await;
    let padding = "&a".repeat(20_000);
    let answer = form(&bugle, "/sign-in", &[ORIGIN], &[("name", "ada"), ("next", "/")]).await;
    expect_page(&answer, 422);
    let body = format!("name=ada{padding}");
    expect_page(&raw(bugle.address, &request("POST", "/sign-in", &[ORIGIN], body.as_bytes())).await, 413);
}

#[tokio::test]
async fn a_session_acts_by_the_api_when_a_page_meant_it() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    hook.send(&[], br#"{"id": "m-1", "alert_name": "Disk full", "alert_type": "error"}"#).await;
    let id = bugle.only_incident().await["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/incidents/{id}/acknowledge");
    let otto = bugle.person("otto@example.net", Scope::Operate).await;
    let token = otto.token().await;
    let right = ("x-csrf-token", token.as_str());
    for headers in [
        &[][..],
        &[ORIGIN],
        &[right],
        &[ORIGIN, ("x-csrf-token", "00")],
        &[("origin", "http://evil.example"), right],
        &[("sec-fetch-site", "cross-site"), right],
    ] {
        otto.call("POST", &path, headers, &Value::Null).await.expect_error(403, "CSRF_REFUSED");
    }
    assert_eq!(bugle.get(&format!("/api/v1/incidents/{id}")).await["status"], "open");
    let answer = otto.call("POST", &path, &[("sec-fetch-site", "same-origin"), right], &Value::Null).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("acknowledged")));
    assert_eq!(answer.json()["acknowledged_by"], json!({"type": "user", "email": "otto@example.net"}));
    let read = otto.call("GET", "/api/v1/me", &[], &Value::Null).await;
    assert_eq!((&read.json()["type"], &read.json()["scope"]), (&json!("user"), &json!("operate")));
    otto.act("POST", "/api/v1/integrations", &json!({"platform": "datadog"}))
        .await
        .expect_error(403, "FORBIDDEN");
    let rita = bugle.person("rita@example.net", Scope::Read).await;
    rita.act("POST", &path, &Value::Null).await.expect_error(403, "FORBIDDEN");
    let forged = Person { bugle: &bugle, cookie: "bugle_session=00".into() };
    forged.call("GET", "/api/v1/me", &[], &Value::Null).await.expect_error(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn signing_out_ends_it_here_or_everywhere() {
    let bugle = TestBugle::start().await;
    let here = bugle.person("ada", Scope::Admin).await;
    let answer = form(&bugle, "/sign-in", &[ORIGIN], &[("name", "ada"), ("password", PASSWORD)]).await;
    let there = Person { bugle: &bugle, cookie: cookie_of(&answer) };
    let sign_out = async |person: &Person<'_>, more: &[(&str, &str)]| {
        let token = person.token().await;
        let fields = [&[("csrf", token.as_str())], more].concat();
        let answer = form(&bugle, "/sign-out", &[ORIGIN, ("cookie", &person.cookie)], &fields).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/sign-in")));
        assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    };
    sign_out(&here, &[]).await;
    assert_eq!(here.see("/account").await.status, 303);
    expect_page(&there.see("/account").await, 200);
    let answer = form(&bugle, "/sign-in", &[ORIGIN], &[("name", "ada"), ("password", PASSWORD)]).await;
    let here = Person { bugle: &bugle, cookie: cookie_of(&answer) };
    sign_out(&here, &[("everywhere", "1")]).await;
    assert_eq!(there.see("/account").await.status, 303);
    let refreshed = there.call("GET", "/incidents", &[HTML, ("hx-request", "true")], &Value::Null).await;
    assert_eq!(
        (refreshed.status, refreshed.header("hx-redirect")),
        (401, Some("/sign-in?next=%2Fincidents"))
    );
}

#[tokio::test]
async fn another_password_ends_the_other_sessions() {
    let bugle = TestBugle::start().await;
    let ada = bugle.person("ada", Scope::Admin).await;
    let token = ada.token().await;
    let change = async |old: &str, new: &str, again: &str| {
        let fields = [("csrf", token.as_str()), ("old", old), ("password", new), ("again", again)];
        form(&bugle, "/account", &[ORIGIN, ("cookie", &ada.cookie)], &fields).await
    };
    expect_page(&change("wrong", "another long one", "another long one").await, 422);
    expect_page(&change(PASSWORD, "another long one", "different").await, 422);
    expect_page(&change(PASSWORD, "short", "short").await, 422);
    let answer = change(PASSWORD, "another long one", "another long one").await;
    let again = Person { bugle: &bugle, cookie: cookie_of(&answer) };
    assert_eq!(ada.see("/account").await.status, 303);
    expect_page(&again.see("/account").await, 200);
}

#[tokio::test]
async fn links_work_once() {
    let bugle = TestBugle::start().await;
    let link = bugle.engine.make_link(Purpose::FirstAdmin).unwrap();
    let link = link.expose_secret();
    let path = format!("/welcome?link={link}");
    expect_page(&look(&bugle, &path).await, 200);
    let fields =
        |name, password, again| [("link", link), ("name", name), ("password", password), ("again", again)];
    let submit = async |fields: &[(&str, &str)]| form(&bugle, "/welcome", &[ORIGIN], fields).await;
    expect_page(&submit(&fields("ada", PASSWORD, "another one")).await, 422);
    expect_page(&submit(&fields("ada", "short", "short")).await, 422);
    expect_page(&submit(&fields("two words", PASSWORD, PASSWORD)).await, 422);
    let answer = submit(&fields("ada", PASSWORD, PASSWORD)).await;
    let ada = Person { bugle: &bugle, cookie: cookie_of(&answer) };
    expect_page(&ada.see("/").await, 200);
    expect_page(&look(&bugle, &path).await, 404);
    expect_page(&submit(&fields("eve", PASSWORD, PASSWORD)).await, 404);
    expect_page(&look(&bugle, "/welcome").await, 404);

    let made = bugle.post("/api/v1/users", json!({"name": "bob", "role": "read"})).await;
    let link = made["link"].as_str().unwrap().strip_prefix(&format!("http://{HOST}")).unwrap();
    expect_page(&look(&bugle, link).await, 200);
    let token = link.split_once("link=").unwrap().1;
    let answer = submit(&[("link", token), ("password", PASSWORD), ("again", PASSWORD)]).await;
    let bob = Person { bugle: &bugle, cookie: cookie_of(&answer) };
    assert!(bob.see("/account").await.text.contains("bob"));

    let straight =
        bugle.engine.make_link(Purpose::SignIn(bugle.engine.users().await.unwrap()[0].id)).unwrap();
    let straight = format!("/welcome?link={}", straight.expose_secret());
    cookie_of(&look(&bugle, &straight).await);
    expect_page(&look(&bugle, &straight).await, 404);
}

#[tokio::test]
async fn every_page_is_as_pages_are() {
    let bugle = TestBugle::start().await;
    let hostile = "\"><script>alert(1)</script><img src=x onerror=alert(2)>";
    let hook = bugle.hook(json!({"platform": "datadog", "name": hostile})).await;
    bugle.post("/api/v1/destinations", json!({"name": hostile, "url": "http://127.0.0.1:9/"})).await;
    let body = json!({"id": "m-1", "alert_name": hostile, "alert_type": "error", "hostname": hostile});
    hook.send(&[], body.to_string().as_bytes()).await;
    bugle.drain().await;
    for (name, role) in [("ada", Scope::Admin), ("<b>otto</b>", Scope::Operate), ("rita", Scope::Read)] {
        let person = bugle.person(name, role).await;
        let search = "/incidents?q=%22%3E%3Cscript%3Ealert(1)&platform=%22%3E%3Cscript%3E";
        for path in
            ["/", "/incidents", "/incidents?status=unresolved&severity=high&owner=nobody", search, "/account"]
        {
            let page = person.see(path).await;
            expect_page(&page, 200);
            assert!(!page.text.contains("<img") && !page.text.contains("<b>otto"), "{path}: {}", page.text);
            let twin = page.text.split("rel=\"alternate\" type=\"application/json\" href=\"").nth(1).unwrap();
            let twin = twin.split('"').next().unwrap().replace("&#38;", "&");
            let answer = person.call("GET", &twin, &[], &Value::Null).await;
            assert_eq!(answer.status, 200, "{path}: {twin}: {answer:?}");
        }
        let page = person.see("/incidents?severity=purple").await;
        expect_page(&page, 400);
        expect_page(&person.see("/no/such/page").await, 404);
    }
    expect_page(&look(&bugle, "/no/such/page").await, 404);
    look(&bugle, "/api/v1/none").await.expect_error(404, "NOT_FOUND");
    let machine = raw(bugle.address, &request("GET", "/", &[("accept", "application/json")], b"")).await;
    assert_eq!(machine.json()["name"], "bugle");
}

#[tokio::test]
async fn assets_are_kept_for_good_and_known_by_their_tag() {
    let bugle = TestBugle::start().await;
    let page = look(&bugle, "/sign-in").await.text;
    let path = page.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let first = look(&bugle, path).await;
    assert_eq!((first.status, first.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert!(first.header("cache-control").unwrap().contains("immutable"));
    let tag = first.header("etag").unwrap();
    let again = raw(bugle.address, &request("GET", path, &[("if-none-match", tag)], b"")).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    let older = look(&bugle, "/assets/000000000000/bugle.css").await;
    assert_eq!((older.status, older.header("cache-control")), (200, Some("no-cache")));
    for missing in ["/assets/0/none.css", "/assets/0/..%2F..%2FCargo.toml"] {
        assert_eq!(look(&bugle, missing).await.status, 404, "{missing}");
    }
}

#[tokio::test]
async fn users_are_kept_by_admins() {
    let bugle = TestBugle::start().await;
    let ada =
        bugle.post("/api/v1/users", json!({"name": "ada", "role": "admin", "password": PASSWORD})).await;
    assert_eq!((&ada["link"], &ada["has_password"]), (&Value::Null, &json!(true)));
    assert!(!ada.to_string().contains("argon2"), "{ada}");
    let bob = bugle.post("/api/v1/users", json!({"name": "bob", "role": "read"})).await;
    let path = format!("/api/v1/users/{}", bob["id"].as_str().unwrap());
    let patched = bugle.call("PATCH", &path, json!({"role": "operate", "disabled": true})).await.json();
    assert_eq!((&patched["role"], &patched["disabled"]), (&json!("operate"), &json!(true)));
    assert_eq!(bugle.get("/api/v1/users").await["data"].as_array().unwrap().len(), 2);
    assert_eq!(bugle.get(&path).await["name"], "bob");
    let linked = bugle.post(&format!("{path}/link"), Value::Null).await;
    assert_eq!(linked["name"], "bob");
    for (body, field) in [
        (json!({"name": "ADA", "role": "read"}), "name"),
        (json!({"name": "a b", "role": "read"}), "name"),
        (json!({"name": "", "role": "read"}), "name"),
        (json!({"name": "eve", "role": "read", "password": "short"}), "password"),
        (json!({"name": "eve", "role": "root"}), "role"),
    ] {
        let answer = bugle.call("POST", "/api/v1/users", body.clone()).await;
        answer.expect_error(422, "VALIDATION_FAILED");
        assert_eq!(answer.json()["error"]["details"]["field"], field, "{body}");
        assert!(!answer.text.contains("short\""), "{answer:?}");
    }
    let ada = format!("/api/v1/users/{}", ada["id"].as_str().unwrap());
    bugle.call("DELETE", &ada, Value::Null).await.expect_error(422, "VALIDATION_FAILED");
    assert_eq!(bugle.call("DELETE", &path, Value::Null).await.status, 204);
    bugle.call("GET", &path, Value::Null).await.expect_error(404, "USER_NOT_FOUND");
}
