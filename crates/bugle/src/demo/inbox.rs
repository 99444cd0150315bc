//! The demo's receiver: a web server of its own that verifies and keeps what it gets.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    routing::post,
};
use bugle_model::{Clock, SystemClock};
use bugle_platforms::Inbound;
use http::{HeaderMap, StatusCode, Uri};
use secrecy::SecretString;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::task::TaskTracker;

use crate::{
    listen::header_list,
    receiver::{Arrival, Receiver},
};

/// The demo's two destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Standard Webhooks.
    Standard,
    /// The form that Overwatch documents.
    Template,
}

impl Door {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Template => "template",
        }
    }
}

/// One webhook, judged, and when it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// Which destination it was for.
    pub door: Door,
    /// When it came.
    pub at: Instant,
    /// What it is worth.
    pub arrival: Arrival,
}

#[derive(Debug, Default)]
struct Shared {
    standard: Mutex<Receiver>,
    template: Mutex<Receiver>,
    received: Mutex<Vec<Received>>,
    changed: Notify,
}

/// What was received so far.
#[derive(Debug)]
pub struct Inbox {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Inbox {
    /// Listens on any free port of this machine, for as long as the process lives.
    pub async fn open(tasks: &TaskTracker) -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind("127.0.0.1:0").await.context("could not listen for the demo's receiver")?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let router = Router::new().route("/{door}", post(receive)).with_state(shared.clone());
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the demo's receiver ended");
            }
        });
        Ok(Self { address, shared })
    }

    /// Where a destination's events go.
    pub fn url(&self, door: Door) -> String {
        format!("http://{}/{}", self.address, door.as_str())
    }

    /// Verifies what comes to a door with this secret.
    pub fn expect(&self, door: Door, secret: SecretString) {
        *lock(self.shared.receiver(door)) = Receiver::new(vec![secret]);
    }

    /// How many came.
    pub fn count(&self) -> usize {
        lock(&self.shared.received).len()
    }

    /// All that came after the first `skipped`.
    pub fn since(&self, skipped: usize) -> Vec<Received> {
        lock(&self.shared.received).iter().skip(skipped).cloned().collect()
    }

    /// Waits until there are more than `seen`, for `within` at most.
    pub async fn changed(&self, seen: usize, within: Duration) {
        let changed = self.shared.changed.notified();
        if self.count() <= seen {
            // Whether it came or not, the caller looks again.
            tokio::time::timeout(within, changed).await.ok();
        }
    }
}

impl Shared {
    const fn receiver(&self, door: Door) -> &Mutex<Receiver> {
        match door {
            Door::Standard => &self.standard,
            Door::Template => &self.template,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    Path(door): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let at = Instant::now();
    let doors = [Door::Standard, Door::Template];
    let Some(door) = doors.into_iter().find(|known| known.as_str() == door) else {
        return StatusCode::NOT_FOUND;
    };
    let headers = header_list(&headers);
    let inbound = Inbound { query: uri.query().unwrap_or_default(), headers: &headers, body: &body };
    let arrival = lock(shared.receiver(door)).take(&inbound, SystemClock.now());
    let verified = arrival.is_verified();
    lock(&shared.received).push(Received { door, at, arrival });
    shared.changed.notify_waiters();
    if verified { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED }
}
