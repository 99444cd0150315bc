//! Accepts connections, bounds them, and stops without cutting an answer short.

mod stream;
mod workers;

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bugle_engine::Engine;
use bugle_model::limits;
use futures_util::future::join_all;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{WebSettings, app::App, body::Rooms, client_ip::Peer, entrance::Entrance};
use stream::BoundedStream;
use workers::Worker;
pub use workers::Workers;

/// Largest request head. Vendors' signatures and cookies of proxies fit many times over.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Requests under way at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;
/// An HTTP/2 peer that does not answer a ping for this long is gone.
const PING_TIME_MAX: Duration = Duration::from_secs(20);
/// Wait after an accept that failed for want of file descriptors, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Tells an answer that would go on for ever that the server stops. Part of every request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopping(CancellationToken);

impl Stopping {
    /// Resolves once the server has begun to stop.
    pub(crate) async fn begun(&self) {
        self.0.cancelled().await;
    }
}

/// Serves every route of `engine` on `listener` until `shutdown` ends; then takes no more connections, lets answers under way finish
/// within [`WebSettings::shutdown_time_max`], and returns. Speaks HTTP/1.1, and HTTP/2 to who begins with it.
pub async fn serve(
    listener: TcpListener,
    workers: &Workers,
    engine: Arc<Engine>,
    settings: WebSettings,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (stopping, graceful) = (Stopping::default(), Arc::new(GracefulShutdown::new()));
    let (rooms, shutdown_time_max) = (Rooms::new(&settings), settings.shutdown_time_max);
    let server = Arc::new(Server {
        slots: Arc::new(Semaphore::new(settings.connections_max)),
        builder: connection_builder(&settings),
        head_time_max: settings.head_time_max,
        entrance: Entrance::new(App { engine, settings: Arc::new(settings), rooms }),
        stopping: stopping.clone(),
        workers: workers.all().to_vec(),
    });
    let (listener, accepting) = (listener.into_std()?, TaskTracker::new());
    for worker in workers.all() {
        let listener = {
            let _context = worker.runtime.enter();
            TcpListener::from_std(listener.try_clone()?)?
        };
        accepting.spawn_on(
            Arc::clone(&server).accept(worker.clone(), listener, Arc::clone(&graceful)),
            &worker.runtime,
        );
    }
    drop(listener);
    shutdown.await;
    stopping.0.cancel();
    accepting.close();
    finish(accepting, graceful, workers, shutdown_time_max).await;
    Ok(())
}

/// What all workers share.
struct Server {
    slots: Arc<Semaphore>,
    builder: auto::Builder<TokioExecutor>,
    head_time_max: Duration,
    entrance: Entrance,
    stopping: Stopping,
    workers: Vec<Worker>,
}

/// A connection that was accepted. Its slot is free again when it ends.
struct Accepted {
    peer: Peer,
    slot: OwnedSemaphorePermit,
    watcher: Watcher,
}

impl Server {
    /// Accepts connections on a worker, and serves them there or on one that has fewer.
    async fn accept(self: Arc<Self>, own: Worker, listener: TcpListener, graceful: Arc<GracefulShutdown>) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stopping.begun() => return,
                accepted = accept(&listener, &self.slots) => accepted,
            };
            let served = accepted.and_then(|(stream, peer, slot)| {
                let accepted = Accepted { peer, slot, watcher: graceful.watcher() };
                Arc::clone(&self).place(&own, stream, accepted)
            });
            if let Err(error) = served {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn place(self: Arc<Self>, own: &Worker, stream: TcpStream, accepted: Accepted) -> io::Result<()> {
        let fewest = self.workers.iter().min_by_key(|worker| worker.connections.len());
        let other = fewest.filter(|fewest| own.has_many_more_than(fewest)).cloned();
        let Some(Worker { runtime, connections }) = other else {
            own.connections.spawn_on(self.serve(stream, accepted), &own.runtime);
            return Ok(());
        };
        // A stream belongs to the runtime that it was made on.
        let stream = stream.into_std()?;
        let serving = async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => self.serve(stream, accepted).await,
                Err(error) => tracing::warn!(%error, "a connection could not be handed over"),
            }
        };
        connections.spawn_on(serving, &runtime);
        Ok(())
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, accepted: Accepted) {
        let Accepted { peer, slot, watcher } = accepted;
        let io = TokioIo::new(BoundedStream::new(stream, self.head_time_max));
        let service = hyper::service::service_fn({
            let server = Arc::clone(&self);
            move |request| {
                let server = Arc::clone(&server);
                async move { Ok::<_, Infallible>(server.entrance.answer(peer, &server.stopping, request).await) }
            }
        });
        let connection = self.builder.serve_connection(io, service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended badly");
        }
        drop(slot);
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // An answer is one small packet: waiting to fill it only adds latency. A failure costs no more than that.
    stream.set_nodelay(true).ok();
    Ok((stream, Peer(peer), slot))
}

async fn finish(accepting: TaskTracker, graceful: Arc<GracefulShutdown>, workers: &Workers, limit: Duration) {
    let connections = || workers.all().iter().map(|worker| &worker.connections);
    for connections in connections() {
        connections.close();
    }
    let finished = async {
        accepting.wait().await;
        // Nobody accepts any more, so nobody else has it.
        if let Some(graceful) = Arc::into_inner(graceful) {
            graceful.shutdown().await;
        }
        join_all(connections().map(TaskTracker::wait)).await;
    };
    if tokio::time::timeout(limit, finished).await.is_err() {
        let connections: usize = connections().map(TaskTracker::len).sum();
        tracing::warn!(connections, "connections were still busy when the time to stop ran out");
    }
}

fn connection_builder(settings: &WebSettings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.head_time_max)
        .max_headers(limits::HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_TIME_MAX)
        .keep_alive_timeout(PING_TIME_MAX);
    builder
}
