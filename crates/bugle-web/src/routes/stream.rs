//! `GET /api/v1/stream`: everything as it happens, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! Timeline events carry an id and can be gone on from; passing notices carry none. Every so often comes a block with an
//! id and no data, which a client takes as its last id without being handed anything: so even one whose filter lets
//! nothing through comes back near to where it was.

use std::{convert::Infallible, fmt::Write as _, sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bugle_engine::{
    Engine,
    stream::{ListenError, Listener, News},
};
use bugle_model::{Cursor, EventKind, IncidentId, Scope};
use bugle_store::StoreError;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, Interval, interval_at};

use super::{MethodFilter, Param, Route, incidents::event_view};
use crate::{
    access::{Access, Caller},
    app::App,
    error::ApiError,
    input::{Query, one_of},
    server::Stopping,
};

/// When a client that found no place is asked to come back.
const FULL_RETRY: Duration = Duration::from_secs(15);
/// How long a client is asked to wait before it comes back.
const RETRY_MS: u32 = 2_000;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const FILTERS: &[Param] = &[
    Param {
        name: "events",
        doc: "One or more names, repeated or with commas: kinds of timeline events, `receipt`, `delivery`, `circuit`. \
              All without it; a `gap` is always told.",
    },
    Param { name: "incident_id", doc: "Only events and deliveries of this incident." },
];

pub(super) fn routes() -> Vec<Route> {
    let summary = "Everything as it happens, as server-sent events: timeline events, which `Last-Event-ID` goes on \
                   from, and notices of receipts, deliveries and circuits. A first call begins now.";
    vec![
        Route::new(MethodFilter::GET, "/api/v1/stream", Access::Key(Scope::Read), "stream", summary, stream)
            .query(FILTERS)
            .streams("StreamedEvent"),
    ]
}

async fn stream(
    State(app): State<App>,
    caller: Caller,
    stopping: Option<Extension<Stopping>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let filter = Filter::of(&query)?;
    let listener = app.engine.listen(last_event_id(&headers)?).await?;
    let period = app.settings.stream_heartbeat;
    let feed = Feed {
        engine: app.engine,
        caller,
        listener,
        filter,
        heartbeat: interval_at(Instant::now() + period, period),
        stopping: stopping.map(|Extension(stopping)| stopping).unwrap_or_default(),
    };
    // With the first block the client learns where it begins, and that it is heard.
    let first = std::future::ready(Ok::<_, Infallible>(feed.heartbeat()));
    let rest = futures_util::stream::unfold(feed, async |mut feed| {
        feed.next_block().await.map(|block| (Ok(block), feed))
    });
    let blocks = futures_util::stream::once(first).chain(rest);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // nginx would keep what is sent until it has a page full of it.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(blocks)).into_response())
}

/// Where the client was; none on a first call.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Cursor>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else { return Ok(None) };
    let position = value.to_str().ok().and_then(|text| text.parse::<Cursor>().ok());
    position.filter(|position| position.0 >= 0).map(Some).ok_or_else(|| {
        ApiError::parameter(
            LAST_EVENT_ID.as_str(),
            "`Last-Event-ID` is not an id of this stream: give back the last `id` as it was, or leave it out",
        )
    })
}

impl From<ListenError> for ApiError {
    fn from(error: ListenError) -> Self {
        let message = error.to_string();
        match error {
            ListenError::Full => Self::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_STREAMS", message)
                .retry_after(FULL_RETRY),
            ListenError::Store(error) => error.into(),
        }
    }
}

/// Names of what has no timeline.
const NOTICES: [&str; 3] = ["receipt", "delivery", "circuit"];

/// What a client wants to hear of. Every condition that is given must hold.
#[derive(Debug)]
struct Filter {
    names: Vec<&'static str>,
    incident_id: Option<IncidentId>,
}

impl Filter {
    fn of(query: &Query) -> Result<Self, ApiError> {
        let known: Vec<_> =
            EventKind::ALL.iter().map(|kind| kind.as_str()).chain(NOTICES).map(|name| (name, name)).collect();
        let names = query.many("events").map(|name| one_of("events", name, &known));
        Ok(Self { names: names.collect::<Result<_, _>>()?, incident_id: query.id("incident_id")? })
    }

    fn admits(&self, name: &'static str, incident_id: Option<IncidentId>) -> bool {
        (self.names.is_empty() || self.names.contains(&name))
            && (self.incident_id.is_none() || self.incident_id == incident_id)
    }

    /// The block for a thing that happened, if the client wants to hear of it.
    fn block(&self, news: &News) -> Option<String> {
        match news {
            News::Event(committed) => {
                let (event, name) = (&committed.event, committed.event.kind.as_str());
                let data = || {
                    let mut data = event_view(event);
                    if let Some(fields) = data.as_object_mut() {
                        fields.insert("incident".into(), json!(event.incident));
                    }
                    data
                };
                let wanted = self.admits(name, Some(event.incident_id));
                wanted.then(|| block(Some(committed.position), name, &data()))
            }
            News::Receipt(receipt) => self.admits("receipt", None).then(|| block(None, "receipt", receipt)),
            News::Delivery(delivery) => {
                let wanted = self.admits("delivery", Some(delivery.incident_id));
                wanted.then(|| block(None, "delivery", delivery))
            }
            News::Circuit(circuit) => self.admits("circuit", None).then(|| block(None, "circuit", circuit)),
            News::Gap { missed } => Some(block(None, "gap", &json!({"missed": missed}))),
        }
    }
}

/// One block of the stream. JSON has no line breaks of its own, so the data is one line.
fn block(id: Option<Cursor>, name: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).unwrap_or_default();
    let mut block = String::with_capacity(data.len() + 80);
    if let Some(id) = id {
        writeln!(block, "id: {id}").ok();
    }
    writeln!(block, "event: {name}\ndata: {data}\n").ok();
    block
}

/// One client's stream.
struct Feed {
    engine: Arc<Engine>,
    caller: Caller,
    listener: Listener,
    filter: Filter,
    heartbeat: Interval,
    stopping: Stopping,
}

impl Feed {
    /// The next block; none at the end: the server stops, the key was deleted or the session is over, or the store fails. The client comes back.
    async fn next_block(&mut self) -> Option<String> {
        loop {
            tokio::select! {
                biased;
                () = self.stopping.begun() => return None,
                _ = self.heartbeat.tick() => return self.is_still_allowed().await.then(|| self.heartbeat()),
                news = self.listener.next() => {
                    let news = news.map_err(|error| log(&error)).ok()??;
                    if let Some(block) = self.filter.block(&news) {
                        return Some(block);
                    }
                }
            }
        }
    }

    async fn is_still_allowed(&self) -> bool {
        self.caller.is_still_known(&self.engine).await.map_err(|error| log(&error)).unwrap_or(false)
    }

    fn heartbeat(&self) -> String {
        format!(": still here\nretry: {RETRY_MS}\nid: {}\n\n", self.listener.position())
    }
}

fn log(error: &StoreError) {
    tracing::error!(error = error as &dyn std::error::Error, "a stream ends, as the store failed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_incident_must_both_fit() {
        let incident = IncidentId::from_i64(7);
        let (its, another) = (Some(incident), Some(IncidentId::from_i64(8)));
        for (query, name, of, expected) in [
            ("", "incident.created", its, true),
            ("", "receipt", None, true),
            ("events=incident.created,receipt", "incident.created", its, true),
            ("events=incident.created&events=receipt", "receipt", None, true),
            ("events=incident.created", "incident.resolved", its, false),
            ("events=receipt", "circuit", None, false),
            ("incident_id=inc_0000000000007", "incident.created", its, true),
            ("incident_id=inc_0000000000007", "delivery", another, false),
            ("incident_id=inc_0000000000007", "receipt", None, false),
            ("incident_id=inc_0000000000007&events=delivery", "incident.created", its, false),
        ] {
            let filter = Filter::of(&Query::of(&format!("/?{query}").parse().unwrap())).unwrap();
            assert_eq!(filter.admits(name, of), expected, "{query}: {name}");
        }
        for wrong in ["events=incident.lost", "events=gap", "incident_id=evt_0000000000007"] {
            assert!(Filter::of(&Query::of(&format!("/?{wrong}").parse().unwrap())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_block_is_one_event_whatever_its_data() {
        let text = block(Some(Cursor(255)), "incident.commented", &json!({"comment": "a\n\nid: 1\r\nb"}));
        assert_eq!(
            text,
            "id: ff\nevent: incident.commented\ndata: {\"comment\":\"a\\n\\nid: 1\\r\\nb\"}\n\n"
        );
    }

    #[test]
    fn the_last_id_is_one_of_ours() {
        for (sent, expected) in [
            (None, Some(None)),
            (Some(""), Some(None)),
            (Some("ff"), Some(Some(Cursor(255)))),
            (Some("-1"), None),
            (Some("evt_1"), None),
            (Some("10000000000000000"), None),
        ] {
            let headers = HeaderMap::from_iter(sent.map(|text| (LAST_EVENT_ID, text.parse().unwrap())));
            assert_eq!(last_event_id(&headers).ok(), expected, "{sent:?}");
        }
    }
}
