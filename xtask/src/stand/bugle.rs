//! The server under test: the release binary on a folder of its own, driven from outside.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    free_address,
    http::{Connection, request},
    process::Process,
    wait_for,
};

/// Longest time from start to ready, recovery included.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Longest time from SIGTERM to the end.
const STOP_WITHIN: Duration = Duration::from_secs(40);
/// The file in the data folder that holds the admin key of the first start.
const KEY_FILE: &str = "admin.key";

/// Where the binary, its data and its log are; survives every process that serves them.
#[derive(Clone)]
pub(crate) struct Site {
    binary: PathBuf,
    folder: PathBuf,
    address: SocketAddr,
    environment: Vec<(&'static str, OsString)>,
}

/// A running `bugle serve`.
pub(crate) struct Bugle {
    site: Site,
    process: Process,
}

impl Site {
    /// A site in `folder`, on a port that is free now.
    pub(crate) fn new(binary: &Path, folder: &Path) -> Result<Self> {
        let (binary, folder) = (binary.to_path_buf(), folder.to_path_buf());
        Ok(Self { binary, folder, address: free_address()?, environment: Vec::new() })
    }

    /// Every server of this site gets this variable too.
    pub(crate) fn with_environment(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the server and returns at once.
    pub(crate) fn launch(&self) -> Result<Bugle> {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BUGLE_"))
        {
            command.env_remove(name);
        }
        command
            .arg("serve")
            .current_dir(&self.folder)
            .env("BUGLE_DATA", self.data())
            .env("BUGLE_LISTEN", self.address.to_string())
            .env("BUGLE_LOG_LEVEL", "warn")
            .env("BUGLE_ALLOWED_NETWORKS", "127.0.0.0/8")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        let process = Process::start(&mut command, &self.log())?;
        Ok(Bugle { site: self.clone(), process })
    }

    /// Starts the server and waits until it says that it is ready.
    pub(crate) fn start(&self) -> Result<Bugle> {
        let mut bugle = self.launch()?;
        bugle.wait_ready()?;
        Ok(bugle)
    }

    /// Calls the API as the admin and gives the answer's JSON; any status but 2xx is an error.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let key = std::fs::read_to_string(self.data().join(KEY_FILE)).context("no admin key yet")?;
        let authorization = format!("Bearer {}", key.trim());
        let body = body.map(Value::to_string).unwrap_or_default();
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("connection", "close"),
        ];
        let message = request(method, &format!("/api/v1{path}"), &headers, body.as_bytes());
        let answer = Connection::open(self.address)?.exchange(&message)?;
        let text = String::from_utf8_lossy(&answer.body);
        if !(200..300).contains(&answer.status) {
            bail!("{method} {path} answered {}: {text}", answer.status);
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{method} {path} did not answer JSON: {text}"))
    }

    /// Every item of a list, page by page.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = None;
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let from = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = self.call("GET", &format!("{path}{separator}limit=200{from}"), None)?;
            items.extend(page["data"].as_array().context("a list without data")?.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }

    /// Makes an integration; gives its id.
    pub(crate) fn integration(&self, platform: &str, secret: &str) -> Result<String> {
        let wanted =
            json!({ "platform": platform, "name": format!("{platform} under test"), "secret": secret });
        id_of(&self.call("POST", "/integrations", Some(&wanted))?)
    }

    /// Makes a destination; gives its id.
    pub(crate) fn destination(&self, wanted: &Value) -> Result<String> {
        id_of(&self.call("POST", "/destinations", Some(wanted))?)
    }

    /// The end of the server's log, for an error message.
    pub(crate) fn log_end(&self) -> String {
        let log = self.log_text();
        let lines: Vec<_> = log.lines().collect();
        lines.iter().rev().take(20).rev().copied().collect::<Vec<_>>().join("\n")
    }

    /// All that its servers have logged.
    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.folder.join("bugle.log")
    }
}

impl Bugle {
    /// Waits until it is ready; fails at once when it ends instead.
    pub(crate) fn wait_ready(&mut self) -> Result<()> {
        let ready = wait_for("the server to be ready", READY_WITHIN, || {
            if let Some(status) = self.process.ended()? {
                return Ok(Some(Err(status)));
            }
            let answer =
                Connection::open(self.site.address)?.exchange(&request("GET", "/readyz", &[], b""))?;
            Ok((answer.status == 200).then_some(Ok(())))
        });
        match ready {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!("the server ended by itself: {status}\n{}", self.site.log_end()),
            Err(problem) => Err(problem.context(self.site.log_end())),
        }
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.process.kill()
    }

    /// Stops it as an administrator would; fails when it does not end well.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = self.process.stop(STOP_WITHIN)?;
        if !status.success() {
            bail!("the server ended with {status}\n{}", self.site.log_end());
        }
        Ok(())
    }

    /// The process, to look at its memory.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }
}

/// Runs the command line with `arguments` to its end and gives what it printed.
pub(crate) fn run_cli(binary: &Path, folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(binary).args(arguments).current_dir(folder).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("bugle {} failed: {}\n{said}", arguments.join(" "), output.status);
    }
    String::from_utf8(output.stdout).context("bugle printed no text")
}

fn id_of(answer: &Value) -> Result<String> {
    answer["id"].as_str().map(str::to_owned).with_context(|| format!("no id in {answer}"))
}
