//! A receiver on a real socket that notes its calls and answers as told.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// One call, and what it was answered.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) incident: String,
    pub(super) sequence: u64,
    pub(super) event: String,
    pub(super) headers: HeaderMap,
    pub(super) status: u16,
}

/// How to answer a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Status(u16),
    /// A status and its `Retry-After` in seconds.
    Wait(u16, u32),
    Hang,
}

type Choose = Box<dyn Fn(usize) -> Answer + Send + Sync>;

struct Inner {
    choose: Mutex<Choose>,
    calls: Mutex<Vec<Call>>,
    open: AtomicUsize,
    open_max: AtomicUsize,
    changed: Notify,
}

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    inner: Arc<Inner>,
    _task: AbortOnDropHandle<()>,
}

impl Receiver {
    /// `choose` is told how many calls came before.
    pub(super) async fn start(choose: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            choose: Mutex::new(Box::new(choose)),
            calls: Mutex::default(),
            open: AtomicUsize::new(0),
            open_max: AtomicUsize::new(0),
            changed: Notify::new(),
        });
        let (tracker, served) = (TaskTracker::new(), Arc::clone(&inner));
        let task = tracker.clone().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&served);
                let service = service_fn(move |request| answer(Arc::clone(&inner), request));
                tracker.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, inner, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) fn answer_from_now_on(&self, choose: impl Fn(usize) -> Answer + Send + Sync + 'static) {
        *self.inner.choose.lock().unwrap() = Box::new(choose);
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.inner.calls.lock().unwrap().clone()
    }

    pub(super) fn open_max(&self) -> usize {
        self.inner.open_max.load(Ordering::SeqCst)
    }

    pub(super) async fn until_calls(&self, count: usize) {
        let waiting = async {
            loop {
                let changed = self.inner.changed.notified();
                if self.inner.calls.lock().unwrap().len() >= count {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the calls came in time");
    }
}

async fn answer(inner: Arc<Inner>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let headers = request.headers().clone();
    let body: Value =
        serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let open = inner.open.fetch_add(1, Ordering::SeqCst) + 1;
    inner.open_max.fetch_max(open, Ordering::SeqCst);
    // Calls that come at the same moment see each other.
    tokio::task::yield_now().await;
    let chosen = {
        let mut calls = inner.calls.lock().unwrap();
        let chosen = inner.choose.lock().unwrap()(calls.len());
        let status = match chosen {
            Answer::Status(status) | Answer::Wait(status, _) => status,
            Answer::Hang => 0,
        };
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let sequence = body["sequence"].as_u64().unwrap();
        calls.push(Call { incident: text("incident"), event: text("event"), sequence, headers, status });
        chosen
    };
    inner.changed.notify_waiters();
    let response = match chosen {
        Answer::Hang => std::future::pending().await,
        Answer::Status(status) => Response::builder().status(status),
        Answer::Wait(status, seconds) => Response::builder().status(status).header("retry-after", seconds),
    };
    inner.open.fetch_sub(1, Ordering::SeqCst);
    Ok(response.body(Full::from("the token is tok-3141592")).unwrap())
}
