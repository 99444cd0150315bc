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

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Answer, ClientError> {
        let broken = |source: Box<dyn std::error::Error + Send + Sync>| ClientError::Broken {
            url: self.base.clone(),
            source,
        };
        let url: Url = format!("{}{path}", self.base).parse().map_err(|error| broken(Box::new(error)))?;
        let request = request(&url, method, headers, body).map_err(|error| broken(Box::new(error)))?;
        let stream = self.connect(&url).await?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| broken(Box::new(error)))?;
        let talk = async move {
            let answer = sender.send_request(request).await?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok(Answer { status: parts.status, body })
        };
        // The connection's own error, if any, is also the talk's.
        let (answer, _connection_ended) = tokio::join!(talk, connection);
        answer.map_err(broken)
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
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::config::{Environment, Flags};

    /// Answers one call with these bytes and returns what was asked.
    async fn one_answer(answer: &'static str) -> (String, impl Future<Output = String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let served = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            let mut buffer = [0; 4096];
            while !String::from_utf8_lossy(&asked).contains("\r\n\r\n") {
                let read = stream.read(&mut buffer).await.unwrap();
                asked.extend_from_slice(&buffer[..read]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            String::from_utf8(asked).unwrap()
        };
        (base, served)
    }

    async fn ask(answer: &'static str) -> (Result<Value, ClientError>, String) {
        let (base, served) = one_answer(answer).await;
        let key = Key { value: "bgl_secret".parse().unwrap(), origin: "BUGLE_API_KEY".into() };
        let client = Client::new(base, Some(key));
        tokio::join!(client.json(Method::GET, "/api/v1/incidents?q=a+b", None), served)
    }

    #[tokio::test]
    async fn a_call_carries_its_key_and_brings_back_json() {
        let (answer, asked) = ask("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"data\":[]}").await;
        assert_eq!(answer.unwrap(), json!({"data": []}));
        assert!(asked.starts_with("GET /api/v1/incidents?q=a+b HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: Bearer bgl_secret\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn refusals_say_code_status_details_and_where_the_key_came_from() {
        let (answer, _) = ask(concat!(
            "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n",
            r#"{"error":{"code":"UNAUTHORIZED","message":"no such key","details":{"field":"authorization"}}}"#
        ))
        .await;
        let message = answer.unwrap_err().to_string();
        for part in
            ["no such key (UNAUTHORIZED, HTTP 401)", "field: authorization", "came from BUGLE_API_KEY"]
        {
            assert!(message.contains(part), "{part:?} is missing in: {message}");
        }
        assert!(!message.contains("bgl_secret"), "{message}");
    }

    #[tokio::test]
    async fn something_else_that_listens_there_is_named_as_such() {
        for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhtml", "SSH-2.0-OpenSSH_9.2\r\n"] {
            let message = ask(answer).await.0.unwrap_err().to_string();
            assert!(message.contains("not from a hub") || message.contains("something else"), "{message}");
        }
    }

    #[tokio::test]
    async fn a_hub_that_is_not_there_is_asked_after() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let failed = Client::new(&base, None).json(Method::GET, "/healthz", None).await;
        let message = failed.unwrap_err().to_string();
        assert!(message.contains(&base) && message.contains("Is `bugle serve` running?"), "{message}");
        let failed = Client::new("https://bugle.example.com", None).json(Method::GET, "/healthz", None).await;
        assert!(failed.unwrap_err().to_string().contains("ssh -L"));
    }

    #[test]
    fn a_missing_key_says_where_it_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let settings = |data: &std::path::Path| {
            let flags = Flags { data: Some(data.to_str().unwrap().parse().unwrap()), ..Flags::default() };
            Settings::load(None, flags, &Environment::default()).unwrap()
        };
        let message = Key::find(&settings(folder.path())).unwrap_err().to_string();
        for part in ["BUGLE_API_KEY", "BUGLE_API_KEY_FILE", "admin.key, which is not there", "--data"] {
            assert!(message.contains(part), "{part:?} is missing in: {message}");
        }
        std::fs::write(folder.path().join("admin.key"), "bgl_x\n").unwrap();
        assert_eq!(Key::find(&settings(folder.path())).unwrap().value.expose(), "bgl_x");
    }

    #[test]
    fn query_parameters_are_escaped_and_absent_ones_left_out() {
        assert_eq!(with_query("/x", &[("q", Some("a&b=c")), ("cursor", None)]), "/x?q=a%26b%3Dc");
        assert_eq!(with_query("/x", &[("cursor", None)]), "/x");
    }
}
