//! `bugle serve`: the hub, with its settings, its logs and its stop.

use std::{io::IsTerminal, path::Path, time::Duration};

use anyhow::Context as _;
use bugle_engine::{EngineSettings, retention::Retention, watch::Watch};
use bugle_web::{ConfiguredSetting, WebSettings};
use clap::Args;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::{
    Context,
    cli::PlaceArgs,
    config::{
        BodyLimit, Flags, HttpUrl, Listen, LogFormat, LogLevel, Networks, Row, Seconds, Settings,
        SettingsError, Switch,
    },
    hub::{Hub, signal_to_stop},
    memory,
};

/// The arguments of `bugle serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every flag is also a setting of bugle.toml and a BUGLE_ variable: see `bugle config show --default`."
)]
pub struct ServeArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Where to listen, such as 127.0.0.1:8000
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<Listen>,
    /// How the hub is reached from outside
    #[arg(long, value_name = "URL")]
    public_url: Option<HttpUrl>,
    /// Ranges that destinations may be in although they are private, separated by commas
    #[arg(long, value_name = "CIDR,...")]
    allowed_networks: Option<Networks>,
    /// Proxies whose X-Forwarded-For is believed, separated by commas
    #[arg(long, value_name = "CIDR,...")]
    trusted_proxies: Option<Networks>,
    /// The largest body that is taken in
    #[arg(long, value_name = "BYTES")]
    body_limit_bytes: Option<BodyLimit>,
    /// Want an API key for /metrics
    #[arg(long)]
    metrics_auth: bool,
    /// How log lines are written
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// Which log lines are written, such as debug or info,bugle_engine=debug
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// How long to let what is under way finish when told to stop
    #[arg(long, value_name = "SECONDS")]
    shutdown_seconds: Option<Seconds>,
}

impl ServeArgs {
    /// Runs the hub until it is told to stop.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        let flags = Flags {
            listen: self.listen,
            public_url: self.public_url,
            allowed_networks: self.allowed_networks,
            trusted_proxies: self.trusted_proxies,
            body_limit_bytes: self.body_limit_bytes,
            metrics_auth: self.metrics_auth.then_some(Switch(true)),
            log_format: self.log_format,
            log_level: self.log_level,
            shutdown_seconds: self.shutdown_seconds,
            ..Flags::default()
        };
        let settings = self.place.settings(flags, context)?;
        settings.check_store()?;
        start_logs(settings.log_format.value, &settings.log_level.value)?;
        for warning in settings.warnings(&context.environment) {
            tracing::warn!("{warning}");
        }
        let stop = signal_to_stop().context("could not listen for signals")?;
        let listen = settings.listen.value;
        let listener = TcpListener::bind(listen.0).await.with_context(|| {
            format!(
                "could not listen on {listen}: is another hub running there? Choose another with --listen"
            )
        })?;
        let address = listener.local_addr()?;
        let data = &settings.data.value.0;
        let hub = Hub::open(data, engine_settings(&settings)?).await?;
        announce(&hub, data, &settings, Listen(address), context);
        // This thread only waits from here on, and never rests.
        memory::give_back();
        hub.run(listener, web_settings(&settings), stop).await?;
        tracing::info!("stopped");
        Ok(())
    }
}

fn engine_settings(settings: &Settings) -> Result<EngineSettings, SettingsError> {
    Ok(EngineSettings {
        allowed_networks: settings.allowed_networks.value.0.clone(),
        public_url: settings.public_url.as_ref().map(|given| given.value.0.clone()),
        retention: Retention {
            receipts: settings.retention_receipts_days.value.bound(),
            incidents: settings.retention_incidents_days.value.bound(),
        },
        watch: Watch {
            backlog: settings.watch_backlog_seconds.value.bound(),
            inbox: settings.watch_inbox_seconds.value.bound(),
        },
        oidc: settings.oidc()?,
    })
}

fn web_settings(settings: &Settings) -> WebSettings {
    WebSettings {
        public_url: settings.public_url.as_ref().map(|given| given.value.0.clone()),
        trusted_proxies: settings.trusted_proxies.value.0.clone(),
        metrics_auth: settings.metrics_auth.value.0,
        body_bytes_max: settings.body_limit_bytes.value.0,
        shutdown_time_max: Duration::from_secs(settings.shutdown_seconds.value.0),
        configured: settings.rows().into_iter().map(configured).collect(),
        ..WebSettings::default()
    }
}

/// A setting as its page shows it.
fn configured(row: Row) -> ConfiguredSetting {
    let origin = row.origin.map(|origin| origin.to_string());
    ConfiguredSetting { name: row.name.to_owned(), value: row.value, origin }
}

/// Says where everything is and what to do next. The key itself is never said.
fn announce(hub: &Hub, data: &Path, settings: &Settings, address: Listen, context: &Context) {
    let url = address.local_url();
    let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), address = %address, data = %data.display(), "listening on {url}");
    if let Some(path) = &hub.new_admin_key {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        tracing::info!(
            path = %path.display(),
            "made an admin key; the CLI on this machine finds it there by itself, for another machine set BUGLE_API_KEY"
        );
        tracing::info!(
            "next: `bugle integration create prometheus --name production` says which URL to give to the sender"
        );
    }
    if let Some(path) = &hub.first_user_path {
        let base = settings.public_url.as_ref().map_or(url.clone(), |given| given.value.0.to_string());
        let base = base.trim_end_matches('/');
        // Not a log line: it lets in whoever reads it, and log lines are kept and sent elsewhere.
        context.output.note(format!(
            "Nobody can sign in yet. Make the first user with this link; it works once, for 24 hours:\n\n    {base}{path}\n"
        ));
    }
    if settings.public_url.is_none() {
        tracing::info!("no public_url is set: webhook URLs begin with the address that the caller used");
    }
}

/// Writes log lines to standard error.
pub fn start_logs(format: LogFormat, level: &LogLevel) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&level.0).context("the log level is wrong")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("could not start the log: {error}"))
}
