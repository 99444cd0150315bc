//! Ceilings A and B: servers that do only what no server in Bugle's place could leave out.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
    serve::ListenerExt,
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{SECRET, load::Target, stage::webhook_path};
use crate::{
    shell,
    stand::{free_address, http, process::Process, sign, wait_for},
};

/// Most rows of one commit, as many as Bugle's writer takes.
const BATCH_MAX: usize = 500;
const BODY_BYTES_MAX: usize = 1 << 20;
/// As long as Bugle's own answer, so that both write the same.
const ANSWER: &str = r#"{"success":true,"message":"Webhook received successfully","data":{"integration_id":"int_0000000000000","alert_id":"many-00000","receipt_id":"rcp_0000000000000","processing_status":"queued"}}"#;

/// What the hidden command is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    listen: SocketAddr,
    /// The database to commit each call to; without one nothing is kept.
    #[arg(long)]
    database: Option<PathBuf>,
}

/// A ceiling that runs.
pub(super) struct Ceiling {
    /// Ends with this.
    _process: Process,
    address: SocketAddr,
}

impl Ceiling {
    /// Starts one as a process of its own and waits until it answers.
    pub(super) fn start(folder: &Path, durable: bool) -> Result<Self> {
        let address = free_address()?;
        let mut command = shell::command(std::env::current_exe()?);
        command.arg("ceiling").arg("--listen").arg(address.to_string());
        if durable {
            command.arg("--database").arg(folder.join("ceiling.db"));
        }
        let process = Process::start(&mut command, &folder.join("ceiling.log"))?;
        wait_for("the ceiling to answer", Duration::from_secs(20), || {
            let answer =
                http::Connection::open(address)?.exchange(&http::request("GET", "/readyz", &[], b""))?;
            Ok((answer.status == 200).then_some(()))
        })?;
        Ok(Self { _process: process, address })
    }

    /// Whom the load calls.
    pub(super) fn target(&self) -> Target {
        Target { address: self.address, paths: vec![webhook_path("int_0")] }
    }
}

/// A call that waits for its commit.
type Waiting = (Bytes, oneshot::Sender<()>);

#[derive(Clone)]
struct Shared {
    writer: Option<Arc<mpsc::SyncSender<Waiting>>>,
}

/// Serves a ceiling until it is killed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let writer = options.database.as_deref().map(start_writer).transpose()?.map(Arc::new);
    let app = Router::new()
        .route("/readyz", get(|| async { "ready" }))
        .route("/api/v1/webhooks/datadog/{integration}", post(take))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Shared { writer });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(options.listen).await?;
        // Without it answers wait for acknowledgements; Bugle sets it too.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, app).await.context("the ceiling stopped serving")
    })
}

async fn take(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    let signature = headers.get("x-datadog-signature").and_then(|value| value.to_str().ok());
    if !signature.is_some_and(|value| sign::is_sha256_header(SECRET, &body, value)) {
        return (StatusCode::UNAUTHORIZED, "");
    }
    if let Some(writer) = &shared.writer {
        let (sender, committed) = oneshot::channel();
        if writer.try_send((body, sender)).is_err() || committed.await.is_err() {
            return (StatusCode::SERVICE_UNAVAILABLE, "");
        }
    }
    (StatusCode::OK, ANSWER)
}

/// One thread that owns the connection. Whatever waits when it comes round shares one commit.
fn start_writer(path: &Path) -> Result<mpsc::SyncSender<Waiting>> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute("CREATE TABLE receipt (id INTEGER PRIMARY KEY, body BLOB NOT NULL)", [])?;
    let (sender, receiver) = mpsc::sync_channel::<Waiting>(10_000);
    thread::spawn(move || {
        while let Ok(first) = receiver.recv() {
            let mut batch = vec![first];
            batch.extend(receiver.try_iter().take(BATCH_MAX - 1));
            // A batch that fails is dropped, and with it its senders: the calls that wait are answered 503.
            if commit(&connection, &batch).is_ok() {
                for (_, waiting) in batch {
                    // A caller that went away needs no answer.
                    waiting.send(()).unwrap_or_default();
                }
            }
        }
    });
    Ok(sender)
}

fn commit(connection: &Connection, batch: &[Waiting]) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    {
        let mut insert = connection.prepare_cached("INSERT INTO receipt (body) VALUES (?1)")?;
        for (body, _) in batch {
            insert.execute([body.as_ref()])?;
        }
    }
    connection.execute_batch("COMMIT")
}
