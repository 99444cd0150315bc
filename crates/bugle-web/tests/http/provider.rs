//! A small OpenID provider with a key of its own. What it says of a person is what the test tells it to say.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinSet};

/// The hub's name and secret there, as the header has them.
const BASIC: &str = "Basic YnVnbGU6cyUyNmNyZXQ=";

struct Inner {
    issuer: String,
    /// The key that is shown.
    key: EcdsaKeyPair,
    /// The key that signs.
    signer: Mutex<Option<EcdsaKeyPair>>,
    /// For each code that is out: the challenge, and what is said.
    codes: Mutex<HashMap<String, (String, Value)>>,
}

pub struct Provider {
    inner: Arc<Inner>,
    server: JoinSet<()>,
}

fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            issuer: format!("http://{address}"),
            key: new_key(),
            signer: Mutex::default(),
            codes: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(inner.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, server }
    }

    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// From now on it signs with a key that it does not show.
    pub fn sign_with_another_key(&self) {
        *self.inner.signer.lock().unwrap() = Some(new_key());
    }

    /// From now on nobody is there.
    pub async fn stop(&mut self) {
        self.server.shutdown().await;
    }

    /// A person signs in there, coming from `location`: gives the code and the state to come back with. `said` goes over
    /// what is said of them.
    pub fn approve(&self, location: &str, said: &Value) -> (String, String) {
        let url: url::Url = location.parse().unwrap();
        let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert!(location.starts_with(&format!("{}/authorize?", self.inner.issuer)), "{location}");
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", "bugle"),
            ("redirect_uri", "http://hub.example.com/sign-in/oidc"),
            ("scope", "openid profile"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(asked[name], value, "{name}");
        }
        let now = now();
        let mut claims = json!({"iss": self.inner.issuer, "aud": "bugle", "sub": "248289761001",
            "preferred_username": "ada", "groups": ["oncall"], "nonce": asked["nonce"],
            "iat": now, "exp": now + 300});
        claims.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        let mut codes = self.inner.codes.lock().unwrap();
        let code = format!("code{}", codes.len());
        codes.insert(code.clone(), (asked["code_challenge"].clone(), claims));
        (code, asked["state"].clone())
    }
}

fn now() -> i64 {
    use bugle_model::Clock;
    bugle_model::SystemClock.now().as_seconds()
}

async fn configuration(State(provider): State<Arc<Inner>>) -> Json<Value> {
    let issuer = &provider.issuer;
    Json(json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys")}))
}

async fn keys(State(provider): State<Arc<Inner>>) -> Json<Value> {
    let point = provider.key.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    Json(json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "x": x, "y": y}]}))
}

async fn token(
    State(provider): State<Arc<Inner>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, StatusCode> {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let code = form.get("code").ok_or(StatusCode::BAD_REQUEST)?;
    let (challenge, claims) = provider.codes.lock().unwrap().remove(code).ok_or(StatusCode::BAD_REQUEST)?;
    let proof = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    let is_proven = headers.get("authorization").is_some_and(|given| given == BASIC);
    if proof != challenge || !is_proven || form["grant_type"] != "authorization_code" {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let head = URL_SAFE_NO_PAD.encode(json!({"alg": "ES256", "kid": "one"}).to_string());
    let message = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signer = provider.signer.lock().unwrap();
    let signer = signer.as_ref().unwrap_or(&provider.key);
    let signature = signer.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    Ok(Json(json!({"access_token": "unused", "token_type": "Bearer", "id_token": token})))
}
