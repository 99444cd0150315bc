//! The only room that opens a socket: one HTTP client with its own connector.
//!
//! - [`guard`]: which addresses may be called.
//! - `connector`: resolve, filter, dial, measure.
//! - `lookups`: names become addresses.
//! - `tls`: what a TLS connection must prove.
//!
//! What it promises: one request is one attempt, redirects are never followed, the timeout covers everything from
//! resolving the name to the answer's last byte, and no answer costs more memory than
//! [`limits::RESPONSE_BYTES_MAX`], or what the caller says. What an answer means is not decided here.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use bugle_model::{
    delivery::{Reason, Timing},
    limits,
};
use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};
use ipnet::IpNet;

pub mod guard;

mod connector;
mod lookups;
mod tls;

#[cfg(test)]
mod tests;

use connector::{BoundedConnector, ConnectError, GuardedConnector, TRACE, Trace, micros};

/// Bytes of an answer's head; hyper's own limit is 400 KiB.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Kept-alive connections to one host beyond which the rest is closed.
const IDLE_PER_HOST_MAX: usize = 64;
/// For how long an unused connection may be used again; in twice that it is closed, as each takes 28 KB without TLS. It is less
/// than common servers keep theirs, which is 5 s (Node.js, Apache, Uvicorn) to 75 s (nginx), as their close would often cross a
/// request. One that does is made good by [`Sender::send`].
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Connections tried for one request when the receiver had silently closed the kept-alive one.
const STALE_CONNECTIONS_MAX: u32 = 3;

/// How requests are sent.
#[derive(Debug, Clone, Default)]
pub struct SenderOptions {
    /// Networks that may be called although they are private or reserved.
    pub allowed_networks: Vec<IpNet>,
}

/// A request, ready to go.
#[derive(Debug, Clone)]
pub struct OutgoingRequest {
    /// Its method.
    pub method: Method,
    /// Where it goes, absolute.
    pub uri: Uri,
    /// Its headers. `Host` and `Content-Length` are added.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The longest time it may take in all.
    pub timeout: Duration,
}

/// What came back, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body's beginning.
    pub body: Vec<u8>,
    /// Whether there was more.
    pub truncated: bool,
}

/// What went wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of thing.
    pub reason: Reason,
    /// In words, for a person.
    pub detail: String,
}

/// One try and what came of it. With a failure, the answer is what had arrived until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What came back.
    pub answer: Option<Answer>,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// Where the time went.
    pub timing: Timing,
    /// The time of it all.
    pub duration: Duration,
}

/// Sends requests. Cheap to clone; all clones share the kept-alive connections.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client<BoundedConnector, Full<Bytes>>,
}

impl Sender {
    /// Reads the machine's trusted certificates. Fails only when TLS cannot be set up at all.
    pub fn new(options: SenderOptions) -> Result<Self, rustls::Error> {
        let tcp = GuardedConnector::new(options.allowed_networks.into());
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config()?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http1_max_headers(limits::HEADERS_MAX)
            .http2_max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .build(BoundedConnector::new(https));
        Ok(Self { client })
    }

    /// Makes one attempt. A redirect is an answer like any other.
    ///
    /// A kept-alive connection may have been closed by the receiver just as the request was written to it. That says
    /// nothing about the receiver, so the request goes out again at once; deliveries carry an idempotency id.
    pub async fn send(&self, request: OutgoingRequest) -> Exchange {
        self.send_for(request, limits::RESPONSE_BYTES_MAX).await
    }

    /// The same for an answer that is wanted whole: up to `bytes_max` of its body are read.
    pub async fn send_for(&self, request: OutgoingRequest, bytes_max: usize) -> Exchange {
        let began = Instant::now();
        let mut progress = Progress::default();
        let timeout = request.timeout;
        let outcome = tokio::time::timeout(timeout, self.exchange(&request, bytes_max, &mut progress)).await;
        let failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_) => Some(progress.timed_out(timeout)),
        };
        Exchange { timing: progress.timing(), answer: progress.answer, failure, duration: began.elapsed() }
    }

    async fn exchange(
        &self,
        request: &OutgoingRequest,
        bytes_max: usize,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let response = self.head(request, progress).await?;
        let (parts, mut body) = response.into_parts();
        let answer = progress.answer.insert(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: Vec::new(),
            truncated: false,
        });
        let began = Instant::now();
        progress.body_began = Some(began);
        let read = read_body(&mut body, bytes_max, answer).await;
        progress.body_us = Some(micros(began));
        read
    }

    /// Sends the request and waits for the answer's head.
    async fn head(
        &self,
        request: &OutgoingRequest,
        progress: &mut Progress,
    ) -> Result<http::Response<Incoming>, Failure> {
        let mut tries = 1;
        loop {
            let trace = Arc::new(Trace::default());
            progress.trace = Arc::clone(&trace);
            let began = Instant::now();
            let sent = TRACE.scope(Arc::clone(&trace), self.client.request(to_hyper(request)?)).await;
            match sent {
                Ok(response) => {
                    if trace.begun.get().is_some() && !trace.opened(response.extensions()) {
                        progress.trace = Arc::default();
                    }
                    let opening_us = [&progress.trace.dns_us, &progress.trace.connect_us]
                        .map(|phase| phase.get().copied().unwrap_or(0));
                    progress.first_byte_us = Some(
                        micros(began)
                            .saturating_sub(opening_us.iter().fold(0, |sum, us| sum.saturating_add(*us))),
                    );
                    return Ok(response);
                }
                Err(error) => {
                    let failure = failure_of(&error);
                    let stale = failure.reason == Reason::Io && was_kept(&error, &trace);
                    if !stale || tries >= STALE_CONNECTIONS_MAX {
                        return Err(failure);
                    }
                    tries += 1;
                }
            }
        }
    }
}

fn to_hyper(request: &OutgoingRequest) -> Result<Request<Full<Bytes>>, Failure> {
    let mut sent = Request::new(Full::new(request.body.clone()));
    *sent.method_mut() = request.method.clone();
    *sent.uri_mut() = request.uri.clone();
    *sent.headers_mut() = request.headers.clone();
    if sent.uri().host().is_none() {
        return Err(Failure { reason: Reason::Render, detail: "the URL names no host".into() });
    }
    Ok(sent)
}

/// Reads up to the limit. What lies beyond is not read: dropping the body closes the connection.
async fn read_body(body: &mut Incoming, bytes_max: usize, answer: &mut Answer) -> Result<(), Failure> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure {
            reason: Reason::Io,
            detail: format!("the answer broke off: {}", in_words(&error)),
        })?;
        let Some(data) = frame.data_ref() else { continue };
        let room = bytes_max.saturating_sub(answer.body.len());
        answer.body.extend_from_slice(data.get(..room).unwrap_or(data));
        if data.len() > room {
            answer.truncated = true;
            break;
        }
    }
    Ok(())
}

/// How far an attempt has come. Lives outside the future that a timeout drops.
#[derive(Debug, Default)]
struct Progress {
    trace: Arc<Trace>,
    answer: Option<Answer>,
    first_byte_us: Option<u64>,
    body_began: Option<Instant>,
    body_us: Option<u64>,
}

impl Progress {
    fn timing(&self) -> Timing {
        Timing {
            dns_us: self.trace.dns_us.get().copied(),
            connect_us: self.trace.connect_us.get().copied(),
            first_byte_us: self.first_byte_us,
            body_us: self.body_us.or_else(|| self.body_began.map(micros)),
        }
    }

    fn timed_out(&self, timeout: Duration) -> Failure {
        let opening = self.trace.begun.get().is_some() && self.trace.connect_us.get().is_none();
        let doing = if self.body_began.is_some() {
            "the answer's body was not complete"
        } else if !opening {
            "no answer came"
        } else if self.trace.dns_us.get().is_none() {
            "the name was not resolved"
        } else {
            "the connection was not open"
        };
        Failure { reason: Reason::Timeout, detail: format!("{doing} within {} ms", timeout.as_millis()) }
    }
}

fn failure_of(error: &legacy::Error) -> Failure {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(known) = cause {
        if let Some(connect) = known.downcast_ref::<ConnectError>() {
            return Failure { reason: reason_of(connect), detail: in_words(connect) };
        }
        cause = known.source();
    }
    let detail = error.source().map_or_else(|| error.to_string(), in_words);
    Failure { reason: Reason::Io, detail: format!("the connection broke: {detail}") }
}

/// Whether the request went to a connection that was there before it.
fn was_kept(error: &legacy::Error, trace: &Trace) -> bool {
    error.connect_info().is_some_and(|connection| {
        let mut properties = Extensions::new();
        connection.get_extras(&mut properties);
        !trace.opened(&properties)
    })
}

fn reason_of(error: &ConnectError) -> Reason {
    match error {
        ConnectError::Resolve { .. } | ConnectError::NoAddress { .. } => Reason::Dns,
        ConnectError::Forbidden { .. } => Reason::AddressForbidden,
        ConnectError::Dial { .. } | ConnectError::NoHost | ConnectError::TimedOut => Reason::Connect,
        ConnectError::Tls { .. } => Reason::Tls,
    }
}

/// The error and its causes in one line, without the repetitions that nested I/O errors make.
fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(known) = cause {
        let more = known.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = known.source();
    }
    text
}
