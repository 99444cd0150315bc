//! A whole Bugle on a socket of its own, in a folder of its own.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bugle_engine::{Engine, EngineSettings, accounts::OidcSettings, config::NewApiKey, watch::Watch};
use bugle_model::{Scope, SystemClock};
use bugle_store_sqlite::{Options, SqliteStore};
use bugle_web::{WebSettings, Workers, serve};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Handle, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    client::{self, Answer},
    schema,
};

/// No condition takes this long to come true, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct TestBugle {
    pub address: SocketAddr,
    pub engine: Arc<Engine>,
    pub admin_key: String,
    /// Those of the workers.
    pub runtimes: Vec<Handle>,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
    pub folder: TempDir,
}

impl Drop for TestBugle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.server.abort();
    }
}

impl TestBugle {
    pub async fn start() -> Self {
        Self::with(WebSettings::default()).await
    }

    pub async fn with(settings: WebSettings) -> Self {
        Self::watching(settings, Watch { backlog: None, inbox: None }).await
    }

    /// One that looks after itself; else a slow test would see incidents that it knows nothing of.
    pub async fn watching(settings: WebSettings, watch: Watch) -> Self {
        Self::opened(settings, watch, None).await
    }

    /// One where people may sign in at a provider.
    pub async fn with_provider(settings: WebSettings, oidc: OidcSettings) -> Self {
        Self::opened(settings, Watch { backlog: None, inbox: None }, Some(oidc)).await
    }

    async fn opened(settings: WebSettings, watch: Watch, oidc: Option<OidcSettings>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap());
        let engine_settings = EngineSettings {
            allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
            watch,
            oidc,
            ..EngineSettings::default()
        };
        let engine = Engine::open(store, Arc::new(SystemClock), engine_settings).await.unwrap();
        engine.start();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let workers = Workers::start(2).unwrap();
        let runtimes = workers.runtimes().cloned().collect();
        let server = TaskTracker::new().spawn({
            let engine = Arc::clone(&engine);
            async move { serve(listener, &workers, engine, settings, stopped).await }
        });
        let admin_key = key(&engine, Scope::Admin).await;
        Self { address, engine, admin_key, runtimes, stop, server, folder }
    }

    /// A key with this scope.
    pub async fn key(&self, scope: Scope) -> String {
        key(&self.engine, scope).await
    }

    /// Stops taking connections and waits for the server's end.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, &mut self.server).await.expect("an end in time").unwrap().unwrap();
    }

    /// Calls the API as an admin. The answer is held against the OpenAPI document.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.call_as(&self.admin_key, method, path, body).await
    }

    pub async fn call_as(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let authorization = format!("Bearer {key}");
        let bytes = client::request(method, path, &[("authorization", &authorization)], &body);
        let answer = client::raw(self.address, &bytes).await;
        if answer.text.is_empty() {
            assert!(answer.status == 204 || method == "HEAD", "{answer:?}");
        } else {
            schema::check(method, path, answer.status, &answer.json());
        }
        answer
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.call("POST", path, body).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        answer.json()
    }

    /// Makes an integration.
    pub async fn integration(&self, platform: &str, secret: Option<&str>) -> Hook<'_> {
        let mut body = json!({"platform": platform, "name": "test"});
        if let Some(secret) = secret {
            body["secret"] = json!(secret);
        }
        self.hook(body).await
    }

    /// Makes an integration from `body`.
    pub async fn hook(&self, body: Value) -> Hook<'_> {
        let made = self.post("/api/v1/integrations", body).await;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let path = format!("/api/v1/webhooks/{}/{}", text("platform"), text("id"));
        Hook { bugle: self, id: text("id"), path }
    }

    /// Waits until no receipt waits for the pipeline.
    pub async fn drain(&self) {
        until("the pipeline to be idle", || async {
            self.engine.store().pending_ids(1).await.unwrap().is_empty().then_some(())
        })
        .await;
    }

    /// The one incident there is, once it is there.
    pub async fn only_incident(&self) -> Value {
        self.drain().await;
        let page = self.get("/api/v1/incidents").await;
        assert_eq!(page["data"].as_array().unwrap().len(), 1, "{page}");
        page["data"][0].clone()
    }

    /// Fails unless it still takes in a good call.
    pub async fn expect_alive(&self) {
        let hook = self.integration("datadog", None).await;
        let answer =
            hook.send(&[], br#"{"id": "alive", "alert_name": "Still here", "alert_type": "error"}"#).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let metrics = client::raw(self.address, &client::request("GET", "/metrics", &[], b"")).await;
        assert!(!metrics.text.contains("status=\"internal\""), "{}", metrics.text);
    }
}

async fn key(engine: &Engine, scope: Scope) -> String {
    let (_, text) = engine.create_api_key(NewApiKey { name: "test key".into(), scope }).await.unwrap();
    text.expose_secret().to_owned()
}

/// An integration to send to.
pub struct Hook<'b> {
    pub bugle: &'b TestBugle,
    pub id: String,
    pub path: String,
}

impl Hook<'_> {
    pub async fn send(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        client::raw(self.bugle.address, &client::request("POST", &self.path, headers, body)).await
    }

    /// Its receipts in this state, newest first.
    pub async fn receipts(&self, state: &str) -> Vec<Value> {
        let path = format!("/api/v1/receipts?integration_id={}&state={state}", self.id);
        self.bugle.get(&path).await["data"].as_array().unwrap().clone()
    }

    /// All its receipts.
    pub async fn all_receipts(&self) -> Vec<Value> {
        let path = format!("/api/v1/receipts?integration_id={}", self.id);
        self.bugle.get(&path).await["data"].as_array().unwrap().clone()
    }
}

/// Waits until `condition` gives something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The hex of an HMAC-SHA256, made apart from the code under test.
pub fn hmac_hex(secret: &str, message: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}
