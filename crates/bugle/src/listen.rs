//! `bugle listen`: receives webhooks on this machine, verifies and prints them.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use axum::{Router, body::Bytes, extract::State};
use bugle_model::{Clock, SystemClock, Verification};
use bugle_platforms::Inbound;
use clap::Args;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::{
    Context, Usage,
    cli::SecretArgs,
    output::{Output, Paint, clean, shorten},
    receiver::{Arrival, Order, Receiver},
};

/// The arguments of `bugle listen`.
#[derive(Debug, Args)]
#[command(after_help = "\
The secret comes from --secret-file, --secret, BUGLE_SECRET or BUGLE_SECRET_FILE.
A hub calls this machine only when it may: start it with BUGLE_ALLOWED_NETWORKS=127.0.0.0/8")]
pub struct ListenArgs {
    /// The port on this machine; 0 for any free one
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// The address to listen on; 0.0.0.0 for all of them
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
    #[command(flatten)]
    secret: SecretArgs,
    /// Answer this share of calls with 500, 0 to 1, to see them come again
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = rate)]
    fail: f64,
    /// Answer with this status
    #[arg(long, value_name = "CODE", default_value_t = 204, value_parser = clap::value_parser!(u16).range(200..=599))]
    status: u16,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| "a rate is a number from 0 to 1, such as 0.3".to_owned())
}

struct Listener {
    receiver: Mutex<Receiver>,
    status: StatusCode,
    fail: f64,
    json: bool,
    output: Output,
}

impl ListenArgs {
    /// Listens until it is told to stop.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let secret = self.secret.find(context)?;
        let output = context.output;
        let address = SocketAddr::new(self.bind, self.port);
        let socket = TcpListener::bind(address)
            .await
            .with_context(|| format!("could not listen on {address}; another --port may be free"))?;
        output.note(format!("Listening on http://{}", socket.local_addr()?));
        if secret.is_none() {
            output
                .note("There is no secret, so nothing can be verified: give --secret-file, or BUGLE_SECRET.");
        }
        let status = StatusCode::from_u16(self.status).map_err(|_| Usage("no such status".into()))?;
        let listener = Arc::new(Listener {
            receiver: Mutex::new(Receiver::new(secret.into_iter().map(|secret| secret.0).collect())),
            status,
            fail: self.fail,
            json: self.json,
            output,
        });
        let router = Router::new().fallback(receive).with_state(listener);
        let stopped = crate::hub::signal_to_stop()?;
        axum::serve(socket, router).with_graceful_shutdown(stopped).await.context("could not go on listening")
    }
}

async fn receive(
    State(listener): State<Arc<Listener>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let headers = header_list(&headers);
    let inbound = Inbound { query: uri.query().unwrap_or_default(), headers: &headers, body: &body };
    let now = SystemClock.now();
    let status =
        if listener.fail > random_share() { StatusCode::INTERNAL_SERVER_ERROR } else { listener.status };
    let arrival = {
        let mut receiver = listener.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        if status.is_success() { receiver.take(&inbound, now) } else { receiver.look(&inbound, now) }
    };
    if listener.json {
        listener.output.line(as_json(&arrival, &headers, &body, status).to_string());
    } else {
        for line in as_lines(&arrival, &body, status, listener.output) {
            listener.output.line(line);
        }
    }
    status
}

/// Headers as the platforms read them. A value that is not text cannot be part of a signature that we know.
pub fn header_list(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

/// A number from 0 to 1, anew each time. Without randomness: 1, so nothing fails that was not meant to.
fn random_share() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 1.0,
    }
}

/// A webhook as a person reads it.
pub fn as_lines(arrival: &Arrival, body: &[u8], status: StatusCode, output: Output) -> Vec<String> {
    let at = arrival.at.to_string();
    let time = at.split('T').nth(1).unwrap_or(&at);
    let (mark, paint) = match &arrival.verification {
        Verification::Verified { .. } => ("verified", Paint::Good),
        Verification::Unverified => ("UNVERIFIED", Paint::Warn),
        Verification::Failed { .. } => ("NOT VERIFIED", Paint::Bad),
    };
    let number = arrival.sequence.map(|sequence| format!(" #{sequence}")).unwrap_or_default();
    let order = match arrival.order {
        Order::Next => "in order".to_owned(),
        Order::Late { after } => format!("LATE, after #{after}"),
        Order::Again => "again".to_owned(),
        Order::Unnumbered => String::new(),
    };
    let parts = [
        time.to_owned(),
        output.paint(paint, mark),
        arrival.event.as_deref().map_or_else(|| "-".into(), clean),
        format!("{}{number}", arrival.incident.as_deref().map_or_else(|| "-".into(), clean)),
        order,
        arrival
            .text("/data/incident/title")
            .or_else(|| arrival.text("/title"))
            .map(clean)
            .unwrap_or_default(),
        format!("-> {}", status.as_u16()),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let mut lines = vec![parts.join("  ")];
    if let Verification::Failed { reason, advice } = &arrival.verification {
        lines.push(format!("  {reason}: {}", clean(advice)));
    }
    if arrival.event.is_none() {
        lines.push(format!("  {}", shorten(&clean(&String::from_utf8_lossy(body)), 500)));
    }
    lines
}

fn as_json(arrival: &Arrival, headers: &[(String, String)], body: &[u8], status: StatusCode) -> Value {
    let headers: Map<String, Value> =
        headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let order = match arrival.order {
        Order::Next => "in_order",
        Order::Late { .. } => "late",
        Order::Again => "again",
        Order::Unnumbered => "unnumbered",
    };
    json!({
        "at": arrival.at.to_string(),
        "verification": arrival.verification,
        "id": arrival.id,
        "event": arrival.event,
        "incident_id": arrival.incident,
        "sequence": arrival.sequence,
        "order": order,
        "answered": status.as_u16(),
        "headers": headers,
        "body": arrival.body.clone().unwrap_or_else(|| String::from_utf8_lossy(body).into()),
    })
}
