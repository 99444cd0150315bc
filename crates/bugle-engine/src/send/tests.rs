//! The sender against receivers that misbehave on a real socket.

use std::{net::SocketAddr, sync::mpsc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::*;

/// A receiver that does the same with every connection, and ends with the test.
struct Receiver {
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Receiver {
    async fn start<F>(serve: impl Fn(TcpStream, u32) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tracker = TaskTracker::new();
        let task = tracker.clone().spawn(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                number += 1;
                tracker.spawn(serve(stream, number));
            }
        });
        Self { address, _task: AbortOnDropHandle::new(task) }
    }

    /// Answers every request on a connection with these bytes and leaves the connection open.
    async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut stream, _| async move {
            while read_request(&mut stream).await.is_some() {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await
    }

    fn request(&self) -> OutgoingRequest {
        request(&format!("http://{}/hook", self.address))
    }
}

/// One request's text; the tests send short bodies with a length.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn request(url: &str) -> OutgoingRequest {
    OutgoingRequest {
        method: Method::POST,
        uri: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{\"n\":1}"),
        timeout: Duration::from_secs(10),
    }
}

fn sender(allowed: &[&str]) -> Sender {
    let allowed_networks = allowed.iter().map(|network| network.parse().unwrap()).collect();
    Sender::new(SenderOptions { allowed_networks }).unwrap()
}

fn local_sender() -> Sender {
    sender(&["127.0.0.0/8", "::1/128"])
}

fn reason(exchange: &Exchange) -> Option<Reason> {
    exchange.failure.as_ref().map(|failure| failure.reason)
}

#[tokio::test]
async fn an_answer_comes_back_and_the_connection_is_used_again() {
    let receiver =
        Receiver::answering("HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\nx-id: 7\r\n\r\nok").await;
    let sender = local_sender();
    let first = sender.send(receiver.request()).await;
    let answer = first.answer.unwrap();
    assert_eq!((answer.status, answer.body.as_slice(), answer.truncated), (202, b"ok".as_slice(), false));
    assert_eq!(first.failure, None);
    assert!(first.timing.dns_us.is_some() && first.timing.connect_us.is_some(), "{:?}", first.timing);
    assert!(first.timing.first_byte_us.is_some() && first.timing.body_us.is_some(), "{:?}", first.timing);
    // The connection goes back to the pool a moment after the answer; until then another one may be opened.
    loop {
        let next = sender.send(receiver.request()).await;
        assert!(next.timing.first_byte_us.is_some());
        if next.timing.dns_us.is_none() && next.timing.connect_us.is_none() {
            break;
        }
    }
}

#[tokio::test]
async fn a_name_is_resolved_and_all_its_addresses_are_filtered() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let url = format!("http://localhost:{}/", receiver.address.port());
    let allowed = local_sender().send(request(&url)).await;
    assert_eq!(allowed.answer.map(|answer| answer.status), Some(200), "{:?}", allowed.failure);
    let forbidden = sender(&[]).send(request(&url)).await;
    assert_eq!(reason(&forbidden), Some(Reason::AddressForbidden));
}

#[tokio::test]
async fn forbidden_addresses_are_never_dialled() {
    let (accepted, mut connections) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Receiver::start(move |stream, _| {
        accepted.send(()).unwrap();
        async move { drop(stream) }
    })
    .await;
    let port = receiver.address.port();
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "169.254.169.254", "[fd00:ec2::254]", "0.0.0.0"]
    {
        let exchange = sender(&["10.0.0.0/8"]).send(request(&format!("http://{host}:{port}/"))).await;
        assert_eq!(reason(&exchange), Some(Reason::AddressForbidden), "{host}: {:?}", exchange.failure);
        assert!(exchange.answer.is_none());
    }
    assert!(connections.try_recv().is_err(), "a connection was made");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let target = Receiver::start(|_, _| async { panic!("the redirect was followed") }).await;
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
        target.address
    );
    let receiver = Receiver::answering(answer.leak()).await;
    let exchange = local_sender().send(receiver.request()).await;
    assert_eq!(exchange.answer.map(|answer| answer.status), Some(307));
}

#[tokio::test]
async fn the_timeout_covers_a_body_that_drips() {
    let receiver = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await.unwrap();
        while stream.write_all(b".").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut request = receiver.request();
    request.timeout = Duration::from_millis(300);
    let exchange = local_sender().send(request).await;
    assert_eq!(reason(&exchange), Some(Reason::Timeout));
    assert!(exchange.failure.unwrap().detail.contains("body"), "it says which phase");
    assert!(exchange.duration < Duration::from_secs(5), "{:?}", exchange.duration);
    let answer = exchange.answer.unwrap();
    assert_eq!(answer.status, 200);
    assert!(!answer.body.is_empty(), "what had come is kept");
}

#[tokio::test]
async fn the_timeout_covers_a_receiver_that_never_answers() {
    let receiver = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let mut request = receiver.request();
    request.timeout = Duration::from_millis(200);
    let exchange = local_sender().send(request).await;
    assert_eq!(reason(&exchange), Some(Reason::Timeout));
    assert!(exchange.answer.is_none() && exchange.timing.connect_us.is_some());
}

#[tokio::test]
async fn a_huge_body_is_cut_and_the_connection_dropped() {
    let (closed, mut was_closed) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Receiver::start(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
            closed.send(()).unwrap();
        }
    })
    .await;
    let exchange = local_sender().send(receiver.request()).await;
    let answer = exchange.answer.unwrap();
    assert_eq!(exchange.failure, None);
    assert!(answer.truncated);
    assert_eq!(answer.body.len(), limits::RESPONSE_BYTES_MAX);
    was_closed.recv().await.unwrap();
}

#[tokio::test]
async fn a_body_as_large_as_the_limit_is_whole() {
    let body = "y".repeat(limits::RESPONSE_BYTES_MAX);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let receiver = Receiver::answering(answer.leak()).await;
    let answer = local_sender().send(receiver.request()).await.answer.unwrap();
    assert_eq!((answer.body.len(), answer.truncated), (limits::RESPONSE_BYTES_MAX, false));
}

#[tokio::test]
async fn a_reset_in_the_middle_of_the_body_is_a_failure_that_keeps_what_came() {
    let receiver = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    })
    .await;
    let exchange = local_sender().send(receiver.request()).await;
    assert_eq!(reason(&exchange), Some(Reason::Io));
    assert_eq!(exchange.answer.unwrap().body, b"half");
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_no_attempt() {
    // Every connection answers one request without saying that it will close, and closes on the second.
    let receiver = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        read_request(&mut stream).await;
    })
    .await;
    let sender = local_sender();
    for _ in 0..3 {
        let exchange = sender.send(receiver.request()).await;
        assert_eq!(exchange.answer.map(|answer| answer.status), Some(200), "{:?}", exchange.failure);
    }
}

#[test]
fn a_kept_connection_that_was_closed_while_another_opened_costs_no_attempt() {
    // One thread looks up names. While it is busy, a request waits for its own connection and takes what becomes free.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.max_blocking_threads(1).enable_all().build().unwrap().block_on(async {
        let (arrived, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (end_lookups, ended) = mpsc::channel();
        let seen = Arc::clone(&arrived);
        let told = Arc::clone(&answer);
        let receiver = Receiver::start(move |mut stream, number| {
            let (seen, told, end_lookups) = (Arc::clone(&seen), Arc::clone(&told), end_lookups.clone());
            async move {
                read_request(&mut stream).await;
                if number == 1 {
                    seen.notify_one();
                    told.notified().await;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                read_request(&mut stream).await;
                end_lookups.send(()).unwrap();
            }
        })
        .await;
        let sender = local_sender();
        let named = request(&format!("http://localhost:{}/", receiver.address.port()));
        let first = TaskTracker::new().spawn({
            let (sender, named) = (sender.clone(), named.clone());
            async move { sender.send(named).await }
        });
        arrived.notified().await;
        let lookups = tokio::task::spawn_blocking(move || ended.recv().unwrap());
        let (second, ()) = tokio::join!(sender.send(named), async { answer.notify_one() });
        assert_eq!(first.await.unwrap().failure, None);
        assert_eq!((second.failure, second.answer.map(|answer| answer.status)), (None, Some(200)));
        lookups.await.unwrap();
    });
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_a_failure() {
    let receiver = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
    })
    .await;
    let exchange = local_sender().send(receiver.request()).await;
    assert_eq!(reason(&exchange), Some(Reason::Io), "{:?}", exchange.failure);
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = local_sender().send(request(&format!("http://{address}/"))).await;
    assert_eq!(reason(&refused), Some(Reason::Connect));
    assert!(refused.failure.unwrap().detail.contains(&address.to_string()), "it says where");
    let unknown = local_sender().send(request("http://nonexistent.invalid/")).await;
    assert_eq!(reason(&unknown), Some(Reason::Dns), "{:?}", unknown.failure);
}

#[tokio::test]
async fn a_receiver_that_speaks_no_tls_is_told_as_such() {
    let receiver = Receiver::start(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    })
    .await;
    let exchange = local_sender().send(request(&format!("https://{}/", receiver.address))).await;
    assert_eq!(reason(&exchange), Some(Reason::Tls), "{:?}", exchange.failure);
}

#[tokio::test]
async fn an_endless_head_is_refused() {
    let receiver = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        let line = format!("x-pad: {}\r\n", "z".repeat(4000));
        while stream.write_all(line.as_bytes()).await.is_ok() {}
    })
    .await;
    let exchange = local_sender().send(receiver.request()).await;
    assert_eq!(reason(&exchange), Some(Reason::Io), "{:?}", exchange.failure);
}
