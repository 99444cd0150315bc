//! A small HTTP client for a hub's JSON API: one call, one connection, bounded in time and size.
//!
//! It speaks plain http, because the hub does; for a hub behind TLS its messages say what to do.

use std::{fmt::Write as _, net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::config::{Hidden, Settings};

/// The longest time of one call, answer included.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer that is read, in bytes: a full page of the largest rows fits.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a call came to nothing. Each message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there, or nobody answers.
    #[error(
        "could not reach the hub at {url}: {source}\nIs `bugle serve` running? Start it, or say where it is with --url or \
         BUGLE_URL."
    )]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The connection broke, or what came over it was not HTTP.
    #[error(
        "the hub at {url} did not answer as a web server does: {source}\nIs something else listening there?"
    )]
    Broken {
        /// Where it was looked for.
        url: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It took too long.
    #[error("the hub at {url} did not answer within {} s", CALL_TIMEOUT.as_secs())]
    TimedOut {
        /// Where it was looked for.
        url: String,
    },
    /// The address is one that this client does not speak to.
    #[error(
        "{url} is not a plain http address, and this client speaks no TLS.\nRun the command on the hub's machine, or through \
         a tunnel: ssh -L 8000:127.0.0.1:8000 HOST, then --url http://127.0.0.1:8000"
    )]
    NoTls {
        /// The address.
        url: String,
    },
    /// There is no key to call with.
    #[error("{0}")]
    NoKey(String),
    /// The hub refused.
    #[error("{}", api_message(.0))]
    Api(Box<ApiError>),
    /// The hub's answer was not JSON.
    #[error("the answer of {url} is not from a hub: HTTP {status} and no JSON\nIs this the right --url?")]
    NotJson {
        /// What was asked for.
        url: String,
        /// The answer's status.
        status: StatusCode,
    },
}

/// A refusal of the hub, in its own words.
#[derive(Debug)]
pub struct ApiError {
    /// The answer's status.
    pub status: StatusCode,
    /// A word for machines.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// The whole answer.
    pub body: Value,
    /// Where the key came from, when it was not accepted.
    pub key_origin: Option<String>,
}

fn api_message(error: &ApiError) -> String {
    let mut text = format!("{} ({}, HTTP {})", error.message, error.code, error.status.as_u16());
    let details = error.body.pointer("/error/details").and_then(Value::as_object);
    for (name, value) in details.into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !value.is_empty() && writeln!(text).and_then(|()| write!(text, "  {name}: {value}")).is_err() {
            break;
        }
    }
    if let Some(origin) = &error.key_origin {
        text.push_str("\nThe API key came from ");
        text.push_str(origin);
        text.push_str(". A key made with `bugle key create` works until it is deleted.");
    }
    text
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; `Null` when it is empty, none when it is something else.
    pub fn value(&self) -> Option<Value> {
        if self.body.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&self.body).ok() }
    }
}

/// A key and where it came from.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key.
    pub value: Hidden,
    /// For messages.
    pub origin: String,
}

impl Key {
    /// The key of the settings, or else the admin key in the data folder.
    pub fn find(settings: &Settings) -> Result<Self, ClientError> {
        if let Some(given) = &settings.api_key {
            return Ok(Self { value: given.value.clone(), origin: given.origin.to_string() });
        }
        let path = settings.admin_key_path();
        let text =
            std::fs::read_to_string(&path).map_err(|error| ClientError::NoKey(no_key(&path, &error)))?;
        let value = text.parse().map_err(|_| {
            ClientError::NoKey(format!(
                "{} is empty: delete it and let `bugle serve` make another",
                path.display()
            ))
        })?;
        Ok(Self { value, origin: path.display().to_string() })
    }
}

fn no_key(path: &Path, error: &std::io::Error) -> String {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "which is not there".to_owned(),
        std::io::ErrorKind::PermissionDenied => "which this user may not read".to_owned(),
        _ => format!("which could not be read: {error}"),
    };
    format!(
        "no API key. Looked at BUGLE_API_KEY, BUGLE_API_KEY_FILE, `api_key` in bugle.toml, and {}, {why}.\n\
         On the hub's machine, name its data folder with --data or BUGLE_DATA (the first `bugle serve` writes the key there); \
         elsewhere, set BUGLE_API_KEY.",
        path.display()
    )
}

/// Calls one hub.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    key: Option<Key>,
}

impl Client {
    /// A client of the hub at `base`.
    pub fn new(base: impl Into<String>, key: Option<Key>) -> Self {
        Self { base: base.into().trim_end_matches('/').to_owned(), key }
    }

    /// A client of the hub that the settings name, with the key that they lead to.
    pub fn of(settings: &Settings) -> Result<Self, ClientError> {
        Ok(Self::new(settings.hub_url(), Some(Key::find(settings)?)))
    }

    /// Where the hub is, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Calls the JSON API. An answer that is an error becomes one here.
    pub async fn json(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        if let Some(key) = &self.key {
            headers.push(("authorization".to_owned(), format!("Bearer {}", key.value.expose())));
        }
        let body = body.map(|body| {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
            body.to_string().into_bytes()
        });
        let answer = self.send(method, path, &headers, body.unwrap_or_default()).await?;
        let not_json = || ClientError::NotJson { url: format!("{}{path}", self.base), status: answer.status };
        let value = answer.value().ok_or_else(not_json)?;
        if answer.status.is_success() { Ok(value) } else { Err(self.refusal(answer.status, value, not_json)) }
    }

    fn refusal(&self, status: StatusCode, body: Value, not_json: impl Fn() -> ClientError) -> ClientError {
        let text = |pointer| body.pointer(pointer).and_then(Value::as_str).map(crate::output::clean);
        let (Some(code), Some(message)) = (text("/error/code"), text("/error/message")) else {
            return not_json();
        };
        let origin =
            (status == StatusCode::UNAUTHORIZED).then(|| self.key.as_ref().map(|key| key.origin.clone()));
        ClientError::Api(Box::new(ApiError { status, code, message, key_origin: origin.flatten(), body }))
    }

    /// Sends a request as it is and reads the whole answer, whatever its status.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Answer, ClientError> {
        let timed_out = |_| ClientError::TimedOut { url: self.base.clone() };
        tokio::time::timeout(CALL_TIMEOUT, self.exchange(method, path, headers, body))
            .await
            .map_err(timed_out)?
    }

    /// A connection for many calls, one after the other. `tasks` drives it.
    pub async fn keep(&self, tasks: &TaskTracker) -> Result<Kept, ClientError> {
        let (kept, connection) = self.open().await?;
        // The connection's own error, if any, is also that of the call under way.
        tasks.spawn(async move { connection.await.ok() });
        Ok(kept)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Answer, ClientError> {
        let (mut kept, connection) = self.open().await?;
        let talk = async move { kept.exchange(method, path, headers, body).await };
        // The connection's own error, if any, is also the talk's.
        let (answer, _connection_ended) = tokio::join!(talk, connection);
        answer
    }

    async fn open(&self) -> Result<(Kept, Connection), ClientError> {
        let url: Url = self.base.parse().map_err(|error| self.broken(error))?;
        let stream = self.connect(&url).await?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| self.broken(error))?;
        Ok((Kept { client: self.clone(), sender }, connection))
    }

    fn broken(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::Broken { url: self.base.clone(), source: source.into() }
    }

    async fn connect(&self, url: &Url) -> Result<TcpStream, ClientError> {
        if url.scheme() != "http" {
            return Err(ClientError::NoTls { url: self.base.clone() });
        }
        let unreachable = |source| ClientError::Unreachable { url: self.base.clone(), source };
        let port = url.port_or_known_default().unwrap_or(80);
        let stream = match url.host() {
            Some(url::Host::Ipv4(ip)) => TcpStream::connect(SocketAddr::new(ip.into(), port)).await,
            Some(url::Host::Ipv6(ip)) => TcpStream::connect(SocketAddr::new(ip.into(), port)).await,
            Some(url::Host::Domain(name)) => TcpStream::connect((name, port)).await,
            None => Err(std::io::Error::other("the address has no host")),
        };
        let stream = stream.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        Ok(stream)
    }
}

type Connection = hyper::client::conn::http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// A connection that is used again.
#[derive(Debug)]
pub struct Kept {
    client: Client,
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
}

impl Kept {
    /// Sends a request as it is and reads the whole answer, whatever its status. After an error the connection is of no
    /// use any more.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Answer, ClientError> {
        let url = self.client.base.clone();
        let answer = tokio::time::timeout(CALL_TIMEOUT, self.exchange(method, path, headers, body)).await;
        answer.unwrap_or(Err(ClientError::TimedOut { url }))
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Answer, ClientError> {
        let client = &self.client;
        let url: Url = format!("{}{path}", client.base).parse().map_err(|error| client.broken(error))?;
        let request = request(&url, method, headers, body).map_err(|error| client.broken(error))?;
        self.sender.ready().await.map_err(|error| client.broken(error))?;
        let answer = self.sender.send_request(request).await.map_err(|error| client.broken(error))?;
        let (parts, body) = answer.into_parts();
        let body =
            Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| client.broken(error))?;
        Ok(Answer { status: parts.status, body: body.to_bytes() })
    }
}

fn request(
    url: &Url,
    method: Method,
    headers: &[(String, String)],
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let authority = url.port().map_or_else(
        || url.host_str().unwrap_or_default().to_owned(),
        |port| format!("{}:{port}", url.host_str().unwrap_or_default()),
    );
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, authority)
        .header(header::USER_AGENT, concat!("bugle-cli/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Full::new(Bytes::from(body)))
}

/// A path with query parameters, those without a value left out.
pub fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests;
