//! Who is on stage: an exporter whose gauges the test turns, Prometheus that watches them, Alertmanager that groups what
//! Prometheus says, Bugle, and the receiver in Python.

use std::{
    collections::BTreeMap,
    fmt::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::{
    shell,
    stand::{
        bugle::{Bugle, Site},
        free_address,
        process::Process,
        server::{Reply, Server},
        wait_for,
    },
    tools::Tools,
};

const RECEIVER: &str = include_str!("receiver.py");
/// What Alertmanager authenticates with.
const SOURCE_SECRET: &str = "an-alertmanager-credential";

/// Everybody who takes part. They end with it.
pub(super) struct Stage {
    depths: Arc<Mutex<BTreeMap<String, u32>>>,
    _exporter: Server,
    _watchers: [Process; 2],
    bugle: Bugle,
    site: Site,
    receiver: Receiver,
}

struct Receiver {
    python: PathBuf,
    folder: PathBuf,
    secret: String,
    port: u16,
    process: Option<Process>,
}

/// An event that the receiver verified.
#[derive(Debug)]
pub(super) struct Told {
    /// The incident's id.
    pub(super) incident: String,
    /// The event's number within it.
    pub(super) sequence: u64,
    /// What happened.
    pub(super) kind: String,
}

impl Stage {
    /// Starts everybody, each in `folder`, and waits until they are ready.
    pub(super) fn set(binary: &Path, tools: &Tools, folder: &Path) -> Result<Self> {
        let secret = format!("whsec_{}", BASE64.encode("a key of thirty-two bytes, as is"));
        let mut receiver = Receiver {
            python: tools.python.clone(),
            folder: folder.to_path_buf(),
            secret: secret.clone(),
            port: free_address()?.port(),
            process: None,
        };
        receiver.start()?;

        let site = Site::new(binary, folder)?;
        let bugle = site.start()?;
        let integration = site.integration("prometheus", SOURCE_SECRET)?;
        site.destination(&json!({
            "name": "receiver in Python",
            "dialect": "standard-webhooks",
            "url": format!("http://127.0.0.1:{}/hook", receiver.port),
            "secret": secret,
            "retry": { "max_attempts": 1000, "initial_delay_ms": 200, "factor": 2.0, "max_delay_ms": 1000, "jitter": 0.1 },
            "circuit": { "failure_threshold": 3, "open_ms": 500, "on_open": "pause" },
        }))?;

        let depths = Arc::new(Mutex::new(BTreeMap::new()));
        let exporter = exporter(&depths)?;
        let webhook = format!("http://{}/api/v1/webhooks/prometheus/{integration}", site.address());
        let watchers = start_watchers(tools, folder, exporter.address(), &webhook)?;
        Ok(Self { depths, _exporter: exporter, _watchers: watchers, bugle, site, receiver })
    }

    /// Stops Bugle as an administrator would, and the others with it.
    pub(super) fn end(self) -> Result<()> {
        self.bugle.stop()
    }

    /// From the next scrape on, `queue` is this deep.
    pub(super) fn set_depth(&self, queue: &str, depth: u32) {
        self.depths.lock().unwrap_or_else(PoisonError::into_inner).insert(queue.to_owned(), depth);
    }

    /// The incidents about `queue`.
    pub(super) fn incidents(&self, queue: &str) -> Result<Vec<Value>> {
        let mut incidents = self.site.list("/incidents")?;
        incidents.retain(|incident| incident["labels"]["queue"] == queue);
        Ok(incidents)
    }

    /// The incident about `queue`; fails when there is not exactly one.
    pub(super) fn only_incident(&self, queue: &str) -> Result<Value> {
        let mut incidents = self.incidents(queue)?;
        ensure!(incidents.len() == 1, "{queue}: {} incidents instead of one", incidents.len());
        incidents.pop().context("just counted")
    }

    /// The deliveries of the incident about `queue`.
    pub(super) fn deliveries(&self, queue: &str) -> Result<Vec<Value>> {
        let incident = self.only_incident(queue)?;
        let id = incident["id"].as_str().context("an incident without id")?;
        self.site.list(&format!("/incidents/{id}/deliveries"))
    }

    /// What the receiver was told about `queue`, in order of arrival, each event once. Anything that it refused fails.
    pub(super) fn events(&self, queue: &str) -> Result<Vec<Told>> {
        let mut seen = std::collections::BTreeSet::new();
        let mut told = Vec::new();
        for line in self.receiver.record()? {
            if let Some(problem) = line["refused"].as_str() {
                bail!("the receiver refused a delivery: {problem}");
            }
            let (id, data) = (line["id"].to_string(), &line["body"]["data"]);
            if data["incident"]["labels"]["queue"] == queue && seen.insert(id) {
                told.push(Told {
                    incident: data["incident"]["id"].as_str().context("no incident id")?.to_owned(),
                    sequence: data["event"]["sequence"].as_u64().context("no sequence")?,
                    kind: line["body"]["type"].as_str().context("no type")?.to_owned(),
                });
            }
        }
        Ok(told)
    }

    /// Waits until the receiver was told that `kind` happened to the incident about `queue`.
    pub(super) fn wait_for_event(&self, queue: &str, kind: &str, limit: Duration) -> Result<Told> {
        wait_for(&format!("{kind} of {queue}"), limit, || {
            Ok(self.events(queue)?.into_iter().find(|event| event.kind == kind))
        })
        .with_context(|| format!("the server's log ends:\n{}", self.site.log_end()))
    }

    /// The receiver goes away.
    pub(super) fn stop_receiver(&mut self) -> Result<()> {
        self.receiver.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// The receiver comes back, on the same port.
    pub(super) fn start_receiver(&mut self) -> Result<()> {
        self.receiver.start()
    }
}

impl Receiver {
    fn start(&mut self) -> Result<()> {
        let mut command = shell::command(&self.python);
        command.args(["-c", RECEIVER, &self.secret]).arg(self.file()).arg(self.port.to_string());
        self.process = Some(Process::start(&mut command, &self.folder.join("receiver.log"))?);
        wait_for_port("the receiver", SocketAddr::from(([127, 0, 0, 1], self.port)))
    }

    fn file(&self) -> PathBuf {
        self.folder.join("received.jsonl")
    }

    fn record(&self) -> Result<Vec<Value>> {
        if !self.file().exists() {
            return Ok(Vec::new());
        }
        let text = std::fs::read_to_string(self.file())?;
        // The last line may be half written at this moment: only whole lines count.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

fn exporter(depths: &Arc<Mutex<BTreeMap<String, u32>>>) -> Result<Server> {
    let depths = Arc::clone(depths);
    Server::start(move |_| {
        let mut page = String::from("# TYPE queue_depth gauge\n");
        for (queue, depth) in depths.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if writeln!(page, "queue_depth{{queue=\"{queue}\"}} {depth}").is_err() {
                return Reply::HangUp;
            }
        }
        Reply::Status(200, page)
    })
}

fn start_watchers(tools: &Tools, folder: &Path, exporter: SocketAddr, webhook: &str) -> Result<[Process; 2]> {
    let (prometheus, alertmanager) = (free_address()?, free_address()?);
    let write = |name: &str, text: String| -> Result<String> {
        let path = folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let rules = write("rules.yml", RULES.to_owned())?;
    let watching = write("prometheus.yml", prometheus_config(&rules, alertmanager, exporter))?;
    let grouping = write("alertmanager.yml", alertmanager_config(webhook))?;

    let mut command = shell::command(&tools.alertmanager);
    command
        .arg(format!("--config.file={grouping}"))
        .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
        .arg(format!("--web.listen-address={alertmanager}"))
        .arg("--cluster.listen-address=");
    let groups = Process::start(&mut command, &folder.join("alertmanager.log"))?;
    wait_for_port("Alertmanager", alertmanager)?;

    let mut command = shell::command(&tools.prometheus);
    command
        .arg(format!("--config.file={watching}"))
        .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
        .arg(format!("--web.listen-address={prometheus}"));
    let watches = Process::start(&mut command, &folder.join("prometheus.log"))?;
    wait_for_port("Prometheus", prometheus)?;
    Ok([groups, watches])
}

fn wait_for_port(who: &str, address: SocketAddr) -> Result<()> {
    let connect = || Ok(Some(std::net::TcpStream::connect(address)?));
    wait_for(&format!("{who} to listen"), Duration::from_secs(30), connect).map(drop)
}

/// One rule that fires at once and is over at once.
const RULES: &str = r#"groups:
- name: queues
  rules:
  - alert: QueueTooDeep
    expr: queue_depth > 100
    labels:
      severity: critical
    annotations:
      summary: "Queue {{ $labels.queue }} is too deep"
      description: "{{ $value }} messages wait in {{ $labels.queue }}."
"#;

fn prometheus_config(rules: &str, alertmanager: SocketAddr, exporter: SocketAddr) -> String {
    format!(
        r#"global:
  scrape_interval: 500ms
  scrape_timeout: 500ms
  evaluation_interval: 500ms
rule_files: ["{rules}"]
alerting:
  alertmanagers:
  - static_configs:
    - targets: ["{alertmanager}"]
scrape_configs:
- job_name: queues
  static_configs:
  - targets: ["{exporter}"]
"#
    )
}

fn alertmanager_config(webhook: &str) -> String {
    format!(
        r#"route:
  receiver: bugle
  group_by: [alertname, queue]
  group_wait: 100ms
  group_interval: 500ms
  repeat_interval: 1h
receivers:
- name: bugle
  webhook_configs:
  - url: "{webhook}"
    send_resolved: true
    http_config:
      authorization:
        type: Bearer
        credentials: "{SOURCE_SECRET}"
"#
    )
}
