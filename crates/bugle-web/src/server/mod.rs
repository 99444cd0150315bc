//! Accepts connections, bounds them, and stops without cutting an answer short.

mod stream;

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bugle_engine::Engine;
use bugle_model::limits;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{WebSettings, app::App, body::Rooms, client_ip::Peer, entrance::Entrance};
use stream::BoundedStream;

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
    engine: Arc<Engine>,
    settings: WebSettings,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(settings.connections_max));
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(connection_builder(&settings));
    let stopping = Stopping::default();
    let (rooms, shutdown_time_max) = (Rooms::new(&settings), settings.shutdown_time_max);
    let head_time_max = settings.head_time_max;
    let entrance = Arc::new(Entrance::new(App { engine, settings: Arc::new(settings), rooms }));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let (stream, peer, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let io = TokioIo::new(BoundedStream::new(stream, head_time_max));
        let service = hyper::service::service_fn({
            let (entrance, stopping) = (Arc::clone(&entrance), stopping.clone());
            move |request| {
                let (entrance, stopping) = (Arc::clone(&entrance), stopping.clone());
                async move { Ok::<_, Infallible>(entrance.answer(peer, &stopping, request).await) }
            }
        });
        let (builder, watcher) = (Arc::clone(&builder), graceful.watcher());
        connections.spawn(async move {
            let connection = builder.serve_connection(io, service).into_owned();
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, "a connection ended badly");
            }
            drop(slot);
        });
    }
    drop(listener);
    stopping.0.cancel();
    finish(graceful, connections, shutdown_time_max).await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Peer, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // An answer is one small packet: waiting to fill it only adds latency. A failure costs no more than that.
    stream.set_nodelay(true).ok();
    Ok((stream, Peer(peer), slot))
}

async fn finish(graceful: GracefulShutdown, connections: TaskTracker, limit: Duration) {
    connections.close();
    let finished = async {
        graceful.shutdown().await;
        connections.wait().await;
    };
    if tokio::time::timeout(limit, finished).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections were still busy when the time to stop ran out"
        );
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
