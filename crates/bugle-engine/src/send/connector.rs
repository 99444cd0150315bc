//! Opens connections: resolve, filter every address, dial, and note how long each phase took.
//!
//! Every connection the sender makes goes through here, IP literals in URLs included: a resolver's filter would be
//! skipped for those.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use http::{Extensions, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpInfo, rt::TokioIo};
use ipnet::IpNet;
use tokio::net::TcpStream;
use tower_service::Service;

use super::{guard, lookups::Lookups};

/// The longest time from resolving a name to the end of the TLS handshake. It bounds connections that the client
/// goes on opening in the background after another one became free for the request.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an address is tried before the next one is tried beside it (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the URL names no host")]
    NoHost,
    #[error("the name `{host}` did not resolve")]
    Resolve { host: String, source: io::Error },
    #[error("the name `{host}` has no address")]
    NoAddress { host: String },
    #[error(
        "`{host}` is at {address}, a private or reserved address: only the operator can allow such a network"
    )]
    Forbidden { host: String, address: IpAddr },
    #[error("could not connect to {address}")]
    Dial { address: SocketAddr, source: io::Error },
    #[error("no connection within {} s", OPEN_TIMEOUT.as_secs())]
    TimedOut,
    #[error("the TLS handshake failed")]
    Tls { source: Box<dyn std::error::Error + Send + Sync> },
}

/// Where one request's connection stands. Filled by the connector, read by the sender, also after a timeout.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Set when a new connection was begun.
    pub(super) begun: OnceLock<()>,
    /// This side's address of the new connection.
    local: OnceLock<SocketAddr>,
    /// Resolving the name.
    pub(super) dns_us: OnceLock<u64>,
    /// Opening the connection, TLS included.
    pub(super) connect_us: OnceLock<u64>,
}

impl Trace {
    /// Whether the connection with these properties is the one that was opened for the request. It need not be: what
    /// another request leaves while this one's is being opened is taken at once.
    pub(super) fn opened(&self, connection: &Extensions) -> bool {
        let used = connection.get::<HttpInfo>().map(HttpInfo::local_addr);
        used.is_some() && used == self.local.get().copied()
    }
}

tokio::task_local! {
    /// The trace of the request that is being sent. The client calls its connector while the request is polled.
    pub(super) static TRACE: Arc<Trace>;
}

pub(super) fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Opens TCP connections to permitted addresses.
#[derive(Debug, Clone)]
pub(super) struct GuardedConnector {
    allowed: Arc<[IpNet]>,
    lookups: Lookups,
}

impl GuardedConnector {
    pub(super) fn new(allowed: Arc<[IpNet]>) -> Self {
        Self { allowed, lookups: Lookups::default() }
    }
}

type Opening<T> = Pin<Box<dyn Future<Output = Result<T, ConnectError>> + Send>>;

impl Service<Uri> for GuardedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Opening<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let trace = TRACE.try_with(Arc::clone).unwrap_or_default();
        let (allowed, lookups) = (Arc::clone(&self.allowed), self.lookups.clone());
        Box::pin(async move {
            let began = Instant::now();
            let addresses = resolve(&uri, &allowed, &lookups).await?;
            // Set once: a request that dials twice keeps the phases of its first connection.
            trace.dns_us.get_or_init(|| micros(began));
            let stream = dial(addresses).await?;
            if let Ok(local) = stream.local_addr() {
                trace.local.get_or_init(|| local);
            }
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection stays with delayed small packets");
            }
            Ok(TokioIo::new(stream))
        })
    }
}

/// The permitted addresses of the URI's host, families interleaved.
async fn resolve(uri: &Uri, allowed: &[IpNet], lookups: &Lookups) -> Result<Vec<SocketAddr>, ConnectError> {
    let host = uri.host().ok_or(ConnectError::NoHost)?.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => lookups
            .resolve(host, port)
            .await
            .map_err(|source| ConnectError::Resolve { host: host.to_owned(), source })?,
    };
    let first = found.first().copied().ok_or_else(|| ConnectError::NoAddress { host: host.to_owned() })?;
    let permitted: Vec<SocketAddr> =
        found.into_iter().filter(|address| guard::is_permitted(address.ip(), allowed)).collect();
    if permitted.is_empty() {
        return Err(ConnectError::Forbidden { host: host.to_owned(), address: first.ip() });
    }
    Ok(interleave(permitted))
}

/// The resolver's order with the families taking turns (RFC 8305, section 4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut left, mut right) = {
        let (same, other): (Vec<_>, Vec<_>) =
            addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
        (same.into_iter(), other.into_iter())
    };
    let mut mixed = Vec::new();
    loop {
        let before = mixed.len();
        mixed.extend(left.next());
        mixed.extend(right.next());
        if mixed.len() == before {
            mixed.truncate(ADDRESSES_MAX);
            return mixed;
        }
    }
}

/// The first connection that opens; the next address is begun when one fails or takes long.
async fn dial(addresses: Vec<SocketAddr>) -> Result<TcpStream, ConnectError> {
    let mut waiting = addresses.into_iter();
    let mut dialling = FuturesUnordered::new();
    let mut failure = None;
    loop {
        match waiting.next() {
            Some(address) => dialling.push(async move { (address, TcpStream::connect(address).await) }),
            None if dialling.is_empty() => return Err(failure.unwrap_or(ConnectError::TimedOut)),
            None => {}
        }
        let finished = if waiting.len() == 0 {
            dialling.next().await
        } else {
            tokio::time::timeout(STAGGER, dialling.next()).await.unwrap_or(None)
        };
        match finished {
            Some((_, Ok(stream))) => return Ok(stream),
            Some((address, Err(source))) => failure = Some(ConnectError::Dial { address, source }),
            None => {}
        }
    }
}

/// The outermost connector: bounds the whole opening, TLS included, and tells a failed handshake from a failed dial.
#[derive(Debug, Clone)]
pub(super) struct BoundedConnector {
    inner: HttpsConnector<GuardedConnector>,
}

impl BoundedConnector {
    pub(super) fn new(inner: HttpsConnector<GuardedConnector>) -> Self {
        Self { inner }
    }
}

impl Service<Uri> for BoundedConnector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = ConnectError;
    type Future = Opening<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.inner.poll_ready(context).map_err(own_error)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let trace = TRACE.try_with(Arc::clone).unwrap_or_default();
        trace.begun.get_or_init(|| ());
        let opening = self.inner.call(uri);
        Box::pin(async move {
            let began = Instant::now();
            let stream = tokio::time::timeout(OPEN_TIMEOUT, opening)
                .await
                .map_err(|_| ConnectError::TimedOut)?
                .map_err(own_error)?;
            let dns_us = trace.dns_us.get().copied().unwrap_or(0);
            trace.connect_us.get_or_init(|| micros(began).saturating_sub(dns_us));
            Ok(stream)
        })
    }
}

/// What is not an error of the dialling below is one of the handshake above it.
fn own_error(error: Box<dyn std::error::Error + Send + Sync>) -> ConnectError {
    match error.downcast::<ConnectError>() {
        Ok(own) => *own,
        Err(source) => ConnectError::Tls { source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_beginning_with_the_resolvers_first() {
        let parse =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let mixed = interleave(parse(&["[2a00::1]:1", "[2a00::2]:1", "[2a00::3]:1", "9.9.9.9:1"]));
        assert_eq!(mixed, parse(&["[2a00::1]:1", "9.9.9.9:1", "[2a00::2]:1", "[2a00::3]:1"]));
        assert_eq!(interleave(Vec::new()), Vec::new());
    }
}
