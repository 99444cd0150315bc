//! `/api/v1/stream`.

use std::time::Duration;

use bugle_model::{Scope, limits};
use bugle_web::WebSettings;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Response, body::Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    bugle::{Hook, TestBugle},
    receiver::Receiver,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// One block of a stream.
#[derive(Debug, Default, Clone)]
struct Block {
    id: Option<String>,
    name: String,
    data: Value,
}

/// A client that follows a stream as a browser does.
struct Client {
    response: Response<Incoming>,
    text: String,
    /// As the browser would send it when it comes back.
    last_id: Option<String>,
    _connection: JoinSet<()>,
}

impl Client {
    async fn open(bugle: &TestBugle, query: &str, last_id: Option<&str>) -> Self {
        Self::open_as(bugle, &bugle.admin_key, query, last_id).await
    }

    async fn open_as(bugle: &TestBugle, key: &str, query: &str, last_id: Option<&str>) -> Self {
        let io = TokioIo::new(TcpStream::connect(bugle.address).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(connection.await) });
        let mut request = http::Request::get(format!("/api/v1/stream{query}"))
            .header("host", "hub.example.com")
            .header("authorization", format!("Bearer {key}"));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let last_id = last_id.map(str::to_owned);
        let mut client = Self { response, text: String::new(), last_id, _connection: tasks };
        // The first block is a heartbeat; from here on the server listens for this client.
        assert_eq!(client.block().await.unwrap().name, "");
        client
    }

    /// The next block, heartbeats included; none at a clean end.
    async fn block(&mut self) -> Option<Block> {
        let end = loop {
            if let Some(end) = self.text.find("\n\n") {
                break end;
            }
            let frame =
                timeout(PATIENCE, self.response.body_mut().frame()).await.expect("a block in time")?;
            let bytes = frame.expect("a clean end").into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        };
        let lines: String = self.text.drain(..end + 2).collect();
        let mut block = Block::default();
        for line in lines.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => block.id = Some(id.to_owned()),
                Some(("event", name)) => name.clone_into(&mut block.name),
                Some(("data", data)) => block.data = serde_json::from_str(data).unwrap(),
                Some(("" | "retry", _)) | None => {}
                Some(_) => panic!("{line:?}"),
            }
        }
        self.last_id = block.id.clone().or_else(|| self.last_id.take());
        Some(block)
    }

    /// The next thing that happened.
    async fn next(&mut self) -> Block {
        loop {
            let block = self.block().await.expect("news before the end");
            if !block.name.is_empty() {
                return block;
            }
        }
    }

    /// The next thing of this name; others are passed over.
    async fn next_of(&mut self, name: &str) -> Block {
        loop {
            let block = self.next().await;
            if block.name == name {
                return block;
            }
        }
    }
}

async fn send(hook: &Hook<'_>, id: &str) {
    let body = json!({"id": id, "alert_name": format!("Queue {id} is long"), "alert_type": "error"});
    assert_eq!(hook.send(&[], body.to_string().as_bytes()).await.status, 200);
}

async fn comment(bugle: &TestBugle, incident: &str, text: &str) {
    bugle.post(&format!("/api/v1/incidents/{incident}/comments"), json!({"comment": text})).await;
}

#[tokio::test]
async fn everything_is_told_as_it_happens() {
    let bugle = TestBugle::start().await;
    let receiver = Receiver::start().await;
    let reader = bugle.key(Scope::Read).await;
    let mut client = Client::open_as(&bugle, &reader, "", None).await;
    let made = bugle.post("/api/v1/destinations", json!({"url": receiver.url()})).await;
    let circuit = client.next_of("circuit").await;
    assert_eq!(circuit.data, json!({"destination_id": made["id"], "phase": "closed"}));
    let hook = bugle.integration("datadog", None).await;
    send(&hook, "mon-1").await;
    let receipt = client.next_of("receipt").await;
    assert_eq!(
        (&receipt.data["integration_id"], &receipt.data["state"]),
        (&json!(hook.id), &json!("pending"))
    );
    assert_eq!((receipt.id, &receipt.data["platform"]), (None, &json!("datadog")));
    let created = client.next_of("incident.created").await;
    let incident = bugle.only_incident().await;
    assert_eq!((&created.data["incident"]["id"], &created.data["sequence"]), (&incident["id"], &json!(1)));
    let id = incident["id"].as_str().unwrap();
    let timeline = bugle.get(&format!("/api/v1/incidents/{id}/timeline")).await;
    let mut event = created.data.clone();
    event.as_object_mut().unwrap().shift_remove("incident");
    assert_eq!(event, timeline["data"][0], "as the timeline shows it");
    assert!(created.id.is_some());
    let delivery = client.next_of("delivery").await;
    assert_eq!(
        (&delivery.data["state"], &delivery.data["attempts"], &delivery.data["event_id"]),
        (&json!("delivered"), &json!(1), &created.data["id"])
    );
    let shown = bugle.get(&format!("/api/v1/deliveries/{}", delivery.data["id"].as_str().unwrap())).await;
    assert_eq!(shown["state"], "delivered", "what is told is stored");
    let guarded = bugle.integration("datadog", Some("a secret of ours")).await;
    assert_eq!(guarded.send(&[], b"{}").await.status, 401);
    assert_eq!(client.next_of("receipt").await.data["state"], "rejected");
}

#[tokio::test]
async fn who_comes_back_again_and_again_while_others_act_misses_nothing_and_sees_nothing_twice() {
    const ACTORS: usize = 4;
    const EACH: usize = 25;
    let bugle = TestBugle::start().await;
    let hook = bugle.integration("datadog", None).await;
    let mut client = Client::open(&bugle, "", None).await;
    for n in 0..ACTORS {
        send(&hook, &format!("mon-{n}")).await;
    }
    bugle.drain().await;
    let page = bugle.get("/api/v1/incidents").await;
    let incidents: Vec<_> =
        page["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(incidents.len(), ACTORS);
    let acting = futures_util::future::join_all(incidents.iter().map(async |incident| {
        for n in 0..EACH {
            comment(&bugle, incident, &format!("step {n}")).await;
        }
    }));
    let following = async {
        let mut seen = Vec::new();
        while seen.len() < ACTORS * (EACH + 1) {
            let block = client.next().await;
            if let Some(sequence) = block.data["sequence"].as_u64() {
                seen.push((block.data["incident_id"].as_str().unwrap().to_owned(), sequence));
                if seen.len() % 3 == 0 {
                    let last_id = client.last_id.take().unwrap();
                    client = Client::open(&bugle, "", Some(&last_id)).await;
                }
            }
        }
        seen
    };
    let (_, seen) = tokio::join!(acting, following);
    for incident in &incidents {
        let of_it: Vec<_> = seen.iter().filter(|(id, _)| id == incident).map(|(_, n)| *n).collect();
        assert_eq!(of_it, (1..=EACH as u64 + 1).collect::<Vec<_>>(), "{incident}");
    }
}

#[tokio::test]
async fn a_filter_lets_through_what_was_asked_for_and_the_place_moves_on() {
    let settings = WebSettings { stream_heartbeat: Duration::from_millis(20), ..WebSettings::default() };
    let bugle = TestBugle::with(settings).await;
    let hook = bugle.integration("datadog", None).await;
    send(&hook, "mon-1").await;
    let incident = bugle.only_incident().await["id"].as_str().unwrap().to_owned();
    let mut narrow =
        Client::open(&bugle, &format!("?incident_id={incident}&events=incident.resolved"), None).await;
    let begin = narrow.last_id.clone().unwrap();
    let mut wide = Client::open(&bugle, "?events=incident.commented,incident.created", None).await;
    comment(&bugle, &incident, "looking").await;
    send(&hook, "mon-2").await;
    let names = [wide.next().await.name, wide.next().await.name];
    assert!(names.contains(&"incident.created".to_owned()), "{names:?}");
    assert!(names.contains(&"incident.commented".to_owned()), "{names:?}");
    let until = Instant::now() + PATIENCE;
    while narrow.last_id != wide.last_id {
        assert!(Instant::now() < until, "heartbeats should move on from {begin}");
        assert_eq!(narrow.block().await.unwrap().name, "");
    }
    bugle.post(&format!("/api/v1/incidents/{incident}/resolve"), json!({"resolution": "fixed"})).await;
    assert_eq!(narrow.next().await.data["incident"]["status"], "fixed");
}

#[tokio::test]
async fn a_stream_ends_when_its_key_is_deleted() {
    let settings = WebSettings { stream_heartbeat: Duration::from_millis(20), ..WebSettings::default() };
    let bugle = TestBugle::with(settings).await;
    let made = bugle.post("/api/v1/api-keys", json!({"name": "screen", "scope": "read"})).await;
    let mut client = Client::open_as(&bugle, made["key"].as_str().unwrap(), "", None).await;
    let path = format!("/api/v1/api-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(bugle.call("DELETE", &path, Value::Null).await.status, 204);
    while client.block().await.is_some() {}
}

#[tokio::test]
async fn the_end_of_the_server_ends_a_stream_at_once() {
    // Were the stream waited for, the end would come too late for the test.
    let settings = WebSettings { shutdown_time_max: PATIENCE * 10, ..WebSettings::default() };
    let mut bugle = TestBugle::with(settings).await;
    let mut client = Client::open(&bugle, "", None).await;
    bugle.stop().await;
    assert!(client.block().await.is_none());
}

#[tokio::test]
async fn what_cannot_be_streamed_is_refused() {
    let bugle = TestBugle::start().await;
    for (query, parameter) in [("?events=incident.lost", "events"), ("?incident_id=evt_1", "incident_id")] {
        let answer = bugle.call("GET", &format!("/api/v1/stream{query}"), Value::Null).await;
        answer.expect_error(400, "INVALID_PARAMETER");
        assert_eq!(answer.json()["error"]["details"]["parameter"], parameter);
    }
    let authorization = format!("Bearer {}", bugle.admin_key);
    let headers = [("authorization", authorization.as_str()), ("last-event-id", "evt_0000000000001")];
    let bytes = crate::client::request("GET", "/api/v1/stream", &headers, b"");
    crate::client::raw(bugle.address, &bytes).await.expect_error(400, "INVALID_PARAMETER");
    let mut listeners = Vec::new();
    for _ in 0..limits::STREAM_LISTENERS_MAX {
        listeners.push(bugle.engine.listen(None).await.unwrap());
    }
    let answer = bugle.call("GET", "/api/v1/stream", Value::Null).await;
    answer.expect_error(503, "TOO_MANY_STREAMS");
    assert!(answer.header("retry-after").is_some());
    listeners.clear();
    Client::open(&bugle, "", None).await;
}
