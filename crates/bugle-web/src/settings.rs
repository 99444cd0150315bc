//! How the HTTP face is bounded and what it knows of its surroundings.

use std::time::Duration;

use bugle_model::limits;
use ipnet::IpNet;
use url::Url;

/// A setting as it was given, for people to see: nothing is decided by it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ConfiguredSetting {
    /// Its name in the file.
    pub name: String,
    /// Its value, a secret hidden; none where it is not set.
    pub value: Option<String>,
    /// Where it came from, in words; none where it is not set.
    pub origin: Option<String>,
}

/// How the HTTP face is bounded and what it knows of its surroundings.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Where senders reach this server; webhook URLs begin with it. Without it they begin with the caller's `Host`.
    pub public_url: Option<Url>,
    /// Proxies whose `X-Forwarded-For` and `Forwarded` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether `/metrics` wants an API key.
    pub metrics_auth: bool,
    /// Largest request body.
    pub body_bytes_max: usize,
    /// What the bodies of all calls may take in memory together, those that wait for the store included. Past it callers
    /// are told to try again. Never less than two of the largest body.
    pub bodies_bytes_max: usize,
    /// Longest time for a whole body to arrive.
    pub body_time_max: Duration,
    /// Longest time for a request's head to arrive, which is also how long an idle connection is kept, and how long a
    /// peer may take nothing of its answer.
    pub head_time_max: Duration,
    /// Longest wait for a receipt to become durable. Past it the caller is told to try again, though the receipt may
    /// yet be stored: at least once, never silently lost.
    pub append_time_max: Duration,
    /// Connections open at once; the next ones wait in the kernel's queue.
    pub connections_max: usize,
    /// How often a stream shows that it is alive, and whether its key still is: within what proxies take for a dead
    /// connection.
    pub stream_heartbeat: Duration,
    /// How long answers under way may take once the server is told to stop.
    pub shutdown_time_max: Duration,
    /// How the whole hub is configured, shown to its admins.
    pub configured: Vec<ConfiguredSetting>,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            public_url: None,
            trusted_proxies: Vec::new(),
            metrics_auth: false,
            body_bytes_max: limits::BODY_BYTES_MAX,
            bodies_bytes_max: 32 * 1024 * 1024,
            body_time_max: Duration::from_secs(20),
            head_time_max: Duration::from_mins(1),
            append_time_max: Duration::from_secs(10),
            connections_max: 8_192,
            stream_heartbeat: Duration::from_secs(15),
            shutdown_time_max: Duration::from_secs(15),
            configured: Vec::new(),
        }
    }
}
