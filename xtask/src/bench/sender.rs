//! Ceiling S: a client that signs bodies and posts them, and does nothing else that a hub does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use axum::http::{Method, Request, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::task::JoinSet;

use super::{DESTINATION_SECRET, receiver::Receiver};
use crate::stand::sign;

type Http = Client<HttpConnector, Full<Bytes>>;

/// How many bodies like those that `receiver` got are signed, posted and answered each second, over `connections` to each
/// of `paths` destinations.
pub(super) fn per_second(receiver: &Receiver, paths: usize, connections: usize, count: usize) -> Result<f64> {
    let body = Bytes::copy_from_slice(receiver.sample()?);
    let uris = (0..paths).map(|path| Ok(receiver.url(&format!("/ceiling/{path}")).parse()?));
    let uris: Vec<Uri> = uris.collect::<Result<_>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client: Http = Client::builder(TokioExecutor::new()).build(connector);
        let sent = Arc::new(AtomicUsize::new(0));
        let mut lanes = JoinSet::new();
        let started = Instant::now();
        for uri in uris.iter().flat_map(|uri| std::iter::repeat_n(uri, connections)) {
            lanes.spawn(lane(client.clone(), uri.clone(), body.clone(), Arc::clone(&sent), count));
        }
        while let Some(lane) = lanes.join_next().await {
            lane.context("a sender panicked")??;
        }
        let sent = u32::try_from(count).context("too many to send")?;
        Ok(f64::from(sent) / started.elapsed().as_secs_f64().max(f64::EPSILON))
    })
}

/// One after the other, until `count` were sent by all lanes together.
async fn lane(client: Http, uri: Uri, body: Bytes, sent: Arc<AtomicUsize>, count: usize) -> Result<()> {
    loop {
        let number = sent.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(());
        }
        let (id, timestamp) = (format!("evt_{number:013}"), "1790000000");
        let signature = sign::standard_webhooks(DESTINATION_SECRET, &id, timestamp, &body)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri.clone())
            .header("content-type", "application/json")
            .header("user-agent", "ceiling")
            .header("idempotency-key", &id)
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Full::new(body.clone()))?;
        let answer = client.request(request).await.context("the receiver broke off")?;
        ensure!(answer.status() == 204, "the receiver answered {}", answer.status());
        answer.into_body().collect().await.context("the receiver broke off")?;
    }
}
