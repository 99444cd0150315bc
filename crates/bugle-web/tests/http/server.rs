//! The server itself: HTTP/2, keep-alive, limits on connections and time, and its end.

use std::{sync::mpsc, time::Duration};

use bugle_web::WebSettings;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Handle,
    task::JoinSet,
    time::timeout,
};

use crate::{
    bugle::{TestBugle, until},
    client::{raw, read_answer, request},
};

const PATIENCE: Duration = Duration::from_secs(30);
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

/// Reads one answer from a connection that stays open.
async fn read_health(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"{\"status\":\"ok\"}") {
        let mut part = [0; 1024];
        let count = timeout(PATIENCE, stream.read(&mut part)).await.unwrap().unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&part[..count]);
    }
}

#[tokio::test]
async fn a_connection_carries_many_requests() {
    let bugle = TestBugle::start().await;
    let mut stream = TcpStream::connect(bugle.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(HEALTH).await.unwrap();
        read_health(&mut stream).await;
    }
}

/// Whoever accepts all that come together, each worker serves as many.
#[tokio::test]
async fn connections_are_shared_out() {
    let bugle = TestBugle::start().await;
    let [accepting, busy] = &bugle.runtimes[..] else { panic!("two workers") };
    let ((begun, is_busy), (release, released)) = (mpsc::channel(), mpsc::channel::<()>());
    drop(busy.spawn(async move {
        begun.send(()).unwrap();
        released.recv().unwrap();
    }));
    is_busy.recv().unwrap();
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(TcpStream::connect(bugle.address).await.unwrap());
    }
    // One task of each worker accepts, and one makes the other busy.
    let tasks = |of: &Handle| of.metrics().num_alive_tasks();
    until("all to be accepted", async || (tasks(accepting) + tasks(busy) == 16 + 3).then_some(())).await;
    assert_eq!((tasks(accepting), tasks(busy)), (8 + 1, 8 + 2));
    release.send(()).unwrap();
    for stream in &mut streams {
        stream.write_all(HEALTH).await.unwrap();
        read_health(stream).await;
    }
}

#[tokio::test]
async fn http2_is_spoken_with_who_begins_with_it() {
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let io = TokioIo::new(TcpStream::connect(bugle.address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { connection.await.ok() });
    for n in 0..3 {
        let body = format!(r#"{{"id": "m-{n}", "alert_name": "A", "alert_type": "error"}}"#);
        let uri = format!("http://{}{}", bugle.address, hook.path);
        let request = http::Request::post(uri).body(Full::new(bytes::Bytes::from(body))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!((response.status(), response.version()), (http::StatusCode::OK, http::Version::HTTP_2));
        response.into_body().collect().await.unwrap();
    }
    assert_eq!(hook.all_receipts().await.len(), 3);
}

#[tokio::test]
async fn who_says_nothing_is_hung_up_on() {
    let settings = WebSettings { head_time_max: Duration::from_millis(200), ..WebSettings::default() };
    let bugle = TestBugle::with(settings).await;
    for beginning in [&b""[..], b"PRI * HTTP", b"GET /healthz HTTP/1.1\r\nhost"] {
        let mut stream = TcpStream::connect(bugle.address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let mut rest = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "still open after {beginning:?}");
        assert!(!rest.starts_with(b"HTTP/1.1 2"), "{beginning:?}");
    }
    bugle.expect_alive().await;
}

#[tokio::test]
async fn who_never_reads_the_answers_is_hung_up_on() {
    let settings = WebSettings {
        head_time_max: Duration::from_millis(300),
        connections_max: 1,
        ..WebSettings::default()
    };
    let bugle = TestBugle::with(settings).await;
    let mut greedy = TcpStream::connect(bugle.address).await.unwrap();
    let asked = b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2_000);
    // Many times what the kernel keeps for a reader who never comes; the sending ends when the server hangs up.
    timeout(PATIENCE, greedy.write_all(&asked)).await.ok();
    let answer = raw(bugle.address, &request("GET", "/healthz", &[], b"")).await;
    assert_eq!(answer.status, 200, "the one place should be free again");
}

#[tokio::test]
async fn connections_past_the_limit_wait_for_a_place() {
    let bugle = TestBugle::with(WebSettings { connections_max: 2, ..WebSettings::default() }).await;
    let mut first = TcpStream::connect(bugle.address).await.unwrap();
    let mut second = TcpStream::connect(bugle.address).await.unwrap();
    for stream in [&mut first, &mut second] {
        stream.write_all(HEALTH).await.unwrap();
        read_health(stream).await;
    }
    let mut third = TcpStream::connect(bugle.address).await.unwrap();
    third.write_all(HEALTH).await.unwrap();
    let mut byte = [0];
    assert!(
        timeout(Duration::from_millis(200), third.read(&mut byte)).await.is_err(),
        "it should have waited"
    );
    drop(first);
    timeout(PATIENCE, third.read(&mut byte)).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_end_lets_a_request_under_way_finish_and_takes_no_new_one() {
    let mut bugle = TestBugle::start().await;
    let body = br#"{"id": "m-1", "alert_name": "A", "alert_type": "error"}"#;
    let (id, path) = {
        let hook = bugle.integration("datadog", None).await;
        (hook.id, hook.path)
    };
    let mut stream = TcpStream::connect(bugle.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body once its handler runs: from here on the request is under way.
    let mut interim = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut interim)).await.unwrap().unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100"), "{:?}", String::from_utf8_lossy(&interim));
    let mut idle = TcpStream::connect(bugle.address).await.unwrap();
    idle.write_all(HEALTH).await.unwrap();
    read_health(&mut idle).await;
    let address = bugle.address;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // An idle connection is closed: the server has begun to stop.
        let mut rest = Vec::new();
        timeout(PATIENCE, idle.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(rest.is_empty());
        drop(idle);
        assert!(TcpStream::connect(address).await.is_err(), "it should take no more connections");
        stream.write_all(body).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.status, 200);
    });
    bugle.stop().await;
    tasks.join_next().await.unwrap().unwrap();
    let filter = bugle_store::ReceiptFilter { integration_id: Some(id.parse().unwrap()), state: None };
    let page = bugle_store::PageRequest { cursor: None, limit: 10 };
    assert_eq!(bugle.engine.store().receipts(filter, page).await.unwrap().data.len(), 1);
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let settings = WebSettings { shutdown_time_max: Duration::from_millis(100), ..WebSettings::default() };
    let mut bugle = TestBugle::with(settings).await;
    let path = bugle.integration("datadog", None).await.path;
    let mut stream = TcpStream::connect(bugle.address).await.unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut interim)).await.unwrap().unwrap();
    bugle.stop().await;
}

#[tokio::test]
async fn refusals_reach_a_caller_who_sends_everything_before_it_listens() {
    let bugle = TestBugle::start().await;
    let body = vec![b'x'; 8 * 1024 * 1024];
    let hook = bugle.integration("datadog", None).await;
    for (path, status, code) in [
        ("/api/v1/webhooks/datadog/int_0000000000000", 404, "INTEGRATION_NOT_FOUND"),
        (&hook.path, 413, "PAYLOAD_TOO_LARGE"),
    ] {
        let mut stream = TcpStream::connect(bugle.address).await.unwrap();
        let sent = stream.write_all(&request("POST", path, &[], &body)).await;
        assert!(sent.is_ok(), "the connection was reset: many callers would never see the answer");
        read_answer(&mut stream).await.expect_error(status, code);
    }
}
