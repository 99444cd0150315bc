//! Signing in at an OpenID provider, from outside: who gets in, as what, and who does not.

use bugle_engine::accounts::{NewUser, OidcSettings, RoleRules};
use bugle_model::Scope;
use bugle_web::WebSettings;
use serde_json::{Value, json};

use crate::{
    bugle::TestBugle,
    client::{Answer, raw, request},
    provider::Provider,
    ui::expect_page,
};

const PATH: &str = "/sign-in/oidc";

struct Stage {
    bugle: TestBugle,
    provider: Provider,
}

/// A sign-in for which the provider has said yes.
struct Approved {
    cookie: String,
    path: String,
}

impl Stage {
    async fn set() -> Self {
        let provider = Provider::start().await;
        let oidc = OidcSettings {
            issuer: provider.issuer().parse().unwrap(),
            client_id: "bugle".into(),
            client_secret: Some("s&cret".into()),
            scopes: "openid profile".into(),
            roles: RoleRules {
                claim: Some("groups".into()),
                given: vec![("oncall".into(), Scope::Operate), ("sre".into(), Scope::Admin)],
                default: None,
            },
        };
        let url = Some("http://hub.example.com".parse().unwrap());
        let settings = WebSettings { public_url: url, ..WebSettings::default() };
        Self { bugle: TestBugle::with_provider(settings, oidc).await, provider }
    }

    async fn look(&self, path: &str, cookie: &str) -> Answer {
        let headers = [("accept", "text/html"), ("cookie", cookie)];
        raw(self.bugle.address, &request("GET", path, &headers, b"")).await
    }

    /// Begins, and has the provider say `said` of the person.
    async fn approved(&self, said: &Value) -> Approved {
        let begun = self.look(&format!("{PATH}?next=%2Fincidents"), "").await;
        assert_eq!(begun.status, 303, "{begun:?}");
        let line = begun.header("set-cookie").unwrap();
        assert!(line.contains("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"), "{line}");
        let (code, state) = self.provider.approve(begun.header("location").unwrap(), said);
        let cookie = line.split(';').next().unwrap().to_owned();
        Approved { cookie, path: format!("{PATH}?code={code}&state={state}") }
    }

    /// Signs in somebody of whom the provider says this.
    async fn sign_in(&self, said: &Value) -> Answer {
        let Approved { cookie, path } = self.approved(said).await;
        self.look(&path, &cookie).await
    }
}

/// The session's cookie of an answer that signs in.
#[track_caller]
fn session_of(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.header("location")), (303, Some("/incidents")), "{answer:?}");
    let cookies: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, line)| line).collect();
    assert!(cookies.iter().any(|line| line.starts_with("bugle_sign_in=; ") && line.contains("Max-Age=0")));
    let session = cookies.iter().find(|line| line.starts_with("bugle_session=")).unwrap();
    session.split(';').next().unwrap().to_owned()
}

/// Fails unless it is the sign-in page that says why nobody was signed in.
#[track_caller]
fn expect_refused(answer: &Answer, status: u16, why: &str) {
    expect_page(answer, status);
    assert!(answer.text.contains(why), "{why}: {}", answer.text);
    assert!(answer.text.contains("href=\"/sign-in/oidc?next="), "a way to try again");
    assert!(answer.header("set-cookie").is_none(), "{answer:?}");
}

#[tokio::test]
async fn one_signs_in_at_the_provider_and_has_the_role_it_says() {
    let stage = Stage::set().await;
    let page = stage.look("/sign-in?next=%2Fincidents%3Fq%3Da", "").await;
    expect_page(&page, 200);
    assert!(page.text.contains("href=\"/sign-in/oidc?next=%2Fincidents%3Fq%3Da\""), "{}", page.text);
    let session = session_of(&stage.sign_in(&json!({})).await);
    let page = stage.look("/account", &session).await;
    expect_page(&page, 200);
    assert!(page.text.contains("ada") && page.text.contains("operate"), "{}", page.text);
    assert!(!page.text.contains("name=\"old\""), "their password is not here: {}", page.text);
    assert_eq!(stage.look("/settings/users", &session).await.status, 403);

    // Another name and another role: the same user, whose sessions of the old role are over.
    let said = json!({"preferred_username": "countess", "groups": ["oncall", "sre"]});
    let next = session_of(&stage.sign_in(&said).await);
    assert_eq!(stage.look("/account", &session).await.status, 303);
    expect_page(&stage.look("/settings/users", &next).await, 200);
    let users = stage.bugle.engine.users().await.unwrap();
    let [user] = users.as_slice() else { panic!("{users:?}") };
    assert_eq!((user.name.as_str(), user.role, user.password.is_none()), ("ada", Scope::Admin, true));
    assert_eq!(user.identity.as_ref().unwrap().issuer, stage.provider.issuer());
    assert!(stage.bugle.engine.link_user(user).await.is_err(), "no second way in");
    let admin = stage.bugle.person("bob", Scope::Admin).await;
    let page = admin.see(&format!("/settings/users/{}", user.id)).await;
    expect_page(&page, 200);
    assert!(page.text.contains("Signs in at the provider"), "{}", page.text);
    assert!(!page.text.contains("/link\""), "no link that would be refused: {}", page.text);

    stage.bugle.engine.sign_out_everywhere(user.id).await.unwrap();
    assert_eq!(stage.look("/account", &next).await.status, 303);
}

#[tokio::test]
async fn who_has_no_role_any_more_is_out() {
    let stage = Stage::set().await;
    let session = session_of(&stage.sign_in(&json!({})).await);
    expect_page(&stage.look("/account", &session).await, 200);
    expect_refused(&stage.sign_in(&json!({"groups": ["visitors"]})).await, 403, "no role");
    assert_eq!(stage.look("/account", &session).await.status, 303, "the session of the role they had");
}

#[tokio::test]
async fn nobody_has_the_provider_asked_without_end() {
    let stage = Stage::set().await;
    let mut last = 0;
    for _ in 0..=100 {
        let Approved { cookie, path } = stage.approved(&json!({})).await;
        last = stage.look(&path.replace("code=", "code=made-up-"), &cookie).await.status;
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn what_is_not_proven_lets_nobody_in() {
    let stage = Stage::set().await;
    for (said, why) in [
        (json!({"nonce": "another"}), "of another sign-in"),
        (json!({"aud": "another"}), "not for this hub"),
        (json!({"exp": 1_000_000_000}), "too old"),
        (json!({"iss": "https://evil.example"}), "another provider"),
        (json!({"groups": ["visitors"]}), "no role"),
        (json!({"groups": null}), "no role"),
        (json!({"preferred_username": null}), "gives neither"),
    ] {
        expect_refused(&stage.sign_in(&said).await, 403, why);
    }
    stage.provider.sign_with_another_key();
    expect_refused(&stage.sign_in(&json!({})).await, 403, "signature is wrong");
    assert!(stage.bugle.engine.users().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_asked() {
    let stage = Stage::set().await;
    let first = stage.approved(&json!({})).await;
    let second = stage.approved(&json!({})).await;
    for (path, cookie) in [
        (&first.path, ""),
        (&first.path, second.cookie.as_str()),
        (&format!("{PATH}?code=x&state="), &first.cookie),
        (&format!("{PATH}?code=x"), &first.cookie),
    ] {
        expect_refused(&stage.look(path, cookie).await, 400, "begin again");
    }
    session_of(&stage.look(&first.path, &first.cookie).await);
    expect_refused(&stage.look(&first.path, &first.cookie).await, 400, "was used already");
    let (_, told) = second.path.split_once("&state=").unwrap();
    let path = format!("{PATH}?error=access_denied&state={told}");
    expect_refused(&stage.look(&path, &second.cookie).await, 403, "access_denied");
}

#[tokio::test]
async fn who_is_known_otherwise_or_kept_out_stays_so() {
    let stage = Stage::set().await;
    let local = NewUser { name: "Ada".into(), role: Scope::Admin, password: Some("correct horse".into()) };
    stage.bugle.engine.create_user(local).await.unwrap();
    expect_refused(&stage.sign_in(&json!({})).await, 422, "nother user has this name");
    let said = json!({"preferred_username": null, "email": "ada@example.net"});
    session_of(&stage.sign_in(&said).await);
    let users = stage.bugle.engine.users().await.unwrap();
    let patch = bugle_engine::accounts::UserPatch { disabled: Some(true), ..Default::default() };
    let come = users.iter().find(|user| user.name != "Ada").unwrap();
    stage.bugle.engine.update_user(&come.id.to_string(), patch).await.unwrap();
    expect_refused(&stage.sign_in(&said).await, 403, "no role");
}

#[tokio::test]
async fn a_provider_that_is_down_is_told_and_others_still_sign_in() {
    let mut stage = Stage::set().await;
    let approved = stage.approved(&json!({})).await;
    stage.provider.stop().await;
    let answer = stage.look(&approved.path, &approved.cookie).await;
    expect_refused(&answer, 502, "cannot be asked at this moment");
    stage.bugle.person("bob", Scope::Read).await;
    let bare = TestBugle::start().await;
    let page = raw(bare.address, &request("GET", PATH, &[("accept", "text/html")], b"")).await;
    expect_page(&page, 404);
}
