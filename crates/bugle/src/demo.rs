//! `bugle demo`: a hub on this machine with every platform and a receiver, and alerts going through it.
//!
//! Nothing is faked: integrations and destinations are made through the API, calls are signed and sent over HTTP, and what
//! comes out is verified as any receiver would.

mod inbox;
mod stage;
mod watch;

use std::{
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bugle_engine::EngineSettings;
use bugle_web::WebSettings;
use clap::Args;
use tokio::{net::TcpListener, sync::oneshot};
use tokio_util::task::TaskTracker;

use crate::{
    Context, NotAsItShouldBe,
    client::{Client, Key},
    config::{ADMIN_KEY_FILE, LogFormat, LogLevel},
    hub::{Hub, signal_to_stop},
    listen::as_lines,
    output::{Output, Paint},
    sample::Phase,
};
use inbox::Inbox;
use stage::{Ending, Stage};

/// The arguments of `bugle demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Leave when everything has arrived; exit with 1 when something did not within 30 s
    #[arg(long)]
    once: bool,
    /// The hub's port; another one when it is taken
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Keep the hub's data in this folder, instead of one that goes when the demo ends
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Which log lines are written
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log_level: LogLevel,
}

/// How long everything may take to arrive.
const ARRIVAL_TIME_MAX: Duration = Duration::from_secs(30);

/// How long the hub may take to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

impl DemoArgs {
    /// Sets everything up, sends, shows, and stays until told to stop.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let output = context.output;
        crate::serve::start_logs(LogFormat::Text, &self.log_level)?;
        let stopped = signal_to_stop().context("could not listen for signals")?;
        let temporary = match &self.data {
            Some(_) => None,
            None => {
                Some(tempfile::tempdir().context("could not make a temporary folder; name one with --data")?)
            }
        };
        let data = match (&self.data, &temporary) {
            (Some(folder), _) => folder.clone(),
            (None, Some(folder)) => folder.path().to_owned(),
            (None, None) => PathBuf::from("bugle-data"),
        };
        let listener = bind(self.port, output).await?;
        let hub_url = format!("http://{}", listener.local_addr()?);
        let hub = Hub::open(&data, engine_settings()?).await?;
        let sign_in = format!("{hub_url}{}", hub.demo_path().await?);
        let (stop_hub, told) = oneshot::channel::<()>();
        let tasks = TaskTracker::new();
        let web = WebSettings { shutdown_time_max: STOP_TIME_MAX, ..WebSettings::default() };
        let running = tasks.spawn(hub.run(listener, web, async move {
            // The other end is dropped only when the demo ends.
            told.await.ok();
        }));
        let inbox = Inbox::open(&tasks).await?;
        let key =
            std::fs::read_to_string(data.join(ADMIN_KEY_FILE)).context("could not read the admin key")?;
        let key = Key { value: key.parse()?, origin: "the demo's data folder".into() };
        let stage = Stage { client: Client::new(&hub_url, Some(key)), data, output, sign_in };
        let outcome = tokio::select! {
            outcome = self.play(&stage, &inbox) => outcome,
            () = stopped => Ok(()),
        };
        stop_hub.send(()).ok();
        running.await.context("the hub ended badly")??;
        outcome
    }

    async fn play(&self, stage: &Stage, inbox: &Inbox) -> anyhow::Result<()> {
        let output = stage.output;
        let begun = Instant::now();
        output.line(output.paint(Paint::Bold, format!("Bugle at {}", stage.client.base())));
        let ending = if self.once { Ending::AllOver } else { Ending::SomeStayOpen };
        let cast = stage.set(inbox, ending).await?;
        output.line(format!(
            "{} integrations and 2 destinations made through the API; each alert now begins, changes and ends{}.\n",
            cast.len(),
            match cast.iter().filter(|player| player.last < Phase::Resolved).count() {
                0 => String::new(),
                open => format!(", but for {open} that stay open"),
            }
        ));
        let sent = stage.send(cast).await?;
        let verdict = watch::until_all_arrived(stage, inbox, &sent, ARRIVAL_TIME_MAX).await?;
        watch::sum_up(stage, &verdict, begun.elapsed());
        if self.once {
            return if verdict.is_good() { Ok(()) } else { Err(NotAsItShouldBe.into()) };
        }
        stage.suggest();
        let mut shown = inbox.count();
        loop {
            inbox.changed(shown, Duration::from_hours(1)).await;
            for received in inbox.since(shown) {
                shown += 1;
                for line in as_lines(&received.arrival, &[], http::StatusCode::NO_CONTENT, output) {
                    output.line(line);
                }
            }
        }
    }
}

/// The receiver is on this machine, which destinations may not be unless it is allowed.
fn engine_settings() -> anyhow::Result<EngineSettings> {
    let loopback = "127.0.0.0/8".parse().context("the loopback range")?;
    Ok(EngineSettings { allowed_networks: vec![loopback], ..EngineSettings::default() })
}

async fn bind(port: u16, output: Output) -> anyhow::Result<TcpListener> {
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    match TcpListener::bind(address(port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let listener = TcpListener::bind(address(0)).await.context("could not listen on any port")?;
            output.line(format!(
                "Port {port} is taken, so the hub is on {} instead.",
                listener.local_addr()?.port()
            ));
            Ok(listener)
        }
        Err(error) => {
            Err(error).with_context(|| format!("could not listen on port {port}; choose another with --port"))
        }
    }
}
