//! One server with its faults, its load and its receivers, and what every scenario asks of it in the end.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::{
    disk::SmallDisk,
    shim::{self, Knob, Knobs},
};
use crate::{
    stand::{
        bugle::{Bugle, Site},
        http::{Answer, Connection, request},
        random::Random,
        wait_for,
    },
    witness::{
        self, Receiver, Temper,
        judge::Retention,
        load::{self, Load, Pace, Sent, Target},
    },
};

/// No condition takes this long to come true, however slow the machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// Longest wait for an answer that a caller may see: the server gives up on its store after ten seconds, and the machine
/// may be busy.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(18);
/// Most memory that the server may ever hold, whatever happens to it: what it holds under full load, and the largest
/// bodies that it lets wait, in each form that they pass through.
const MEMORY_KIB_MAX: u64 = 256 * 1024;
const SECRET: &str = "fault-test-source-secret";
const PACE: Pace = Pace { senders: 6, pause_ms: (5, 40), padding_bytes: 0 };

/// What the data folder is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// Whatever the temporary folder is on.
    Any,
    /// A small one of its own, which can really be full.
    Small,
}

/// The scene of one scenario.
pub(super) struct Stage {
    pub(super) site: Site,
    pub(super) knobs: Knobs,
    pub(super) load: Load,
    pub(super) target: Target,
    pub(super) receivers: Vec<Receiver>,
    bugle: Option<Bugle>,
    destinations: Vec<String>,
    more: Sent,
    /// Servers that were killed: each breaks off the calls under way.
    kills: u32,
    /// The most memory that any server held.
    peak_kib: u64,
    // Dropped in this order: the server, its disk, the folder that both are in.
    _small_disk: Option<SmallDisk>,
    _folder: TempDir,
}

impl Stage {
    /// Starts a server, its receivers and its load, and waits until calls are answered.
    pub(super) fn set(binary: &Path, library: &Path, seed: u64, disk: Disk) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bugle-faults-").tempdir()?;
        let (site, knobs) = shim::preload(Site::new(binary, folder.path())?, library, folder.path())?;
        let small_disk = (disk == Disk::Small).then(|| SmallDisk::mount(&site.data())).transpose()?;
        let bugle = site.start()?;
        ensure!(
            knobs.read(Knob::Loaded)? > 0,
            "the server did not take the shim in: is it linked statically?"
        );
        let receivers = vec![
            Receiver::start(Temper::Kind, Random::new(seed ^ 1))?,
            Receiver::start(Temper::Moody, Random::new(seed ^ 2))?,
        ];
        let destinations = receivers.iter().map(|receiver| receiver.join(&site)).collect::<Result<_>>()?;
        let integration = site.integration("datadog", SECRET)?;
        let target = Target { address: site.address(), integration, secret: SECRET };
        let load = load::start(&target, PACE, "node", seed ^ 3);
        let mut stage = Self {
            site,
            knobs,
            load,
            target,
            receivers,
            bugle: Some(bugle),
            destinations,
            more: Sent::default(),
            kills: 0,
            peak_kib: 0,
            _small_disk: small_disk,
            _folder: folder,
        };
        stage.answers(50)?;
        Ok(stage)
    }

    /// Waits for that many more calls to be answered with 200.
    pub(super) fn answers(&mut self, count: u64) -> Result<()> {
        let before = self.load.answered();
        self.until("calls to be answered 200", |stage| Ok(stage.load.answered() >= before + count))
    }

    /// Waits for that many more calls to be answered with 503.
    pub(super) fn refusals(&mut self, count: u64) -> Result<()> {
        let before = self.load.refused();
        self.until("calls to be answered 503", |stage| Ok(stage.load.refused() >= before + count))
    }

    /// Waits until it says that it is ready, or is not.
    pub(super) fn says_ready(&mut self, ready: bool) -> Result<()> {
        let expected = if ready { 200 } else { 503 };
        let what = if ready { "/readyz to say ready" } else { "/readyz to say not ready" };
        self.until(what, |stage| Ok(stage.get("/readyz")?.status == expected))
    }

    /// Waits until `condition` holds; fails at once when the server ends.
    pub(super) fn until(&mut self, what: &str, condition: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let held = wait_for(what, PATIENCE, || {
            if let Some(status) = self.bugle.as_mut().map(Bugle::ended).transpose()?.flatten() {
                return Ok(Some(Err(status)));
            }
            Ok(condition(self)?.then_some(Ok(())))
        });
        let held = held.with_context(|| format!("the server's log ends:\n{}", self.site.log_end()))?;
        held.map_err(|status| {
            anyhow::anyhow!("the server ended by itself: {status}\n{}", self.site.log_end())
        })
    }

    /// Asks without a key.
    pub(super) fn get(&self, path: &str) -> Result<Answer> {
        let message = request("GET", path, &[("connection", "close")], b"");
        Ok(Connection::open(self.site.address())?.exchange(&message)?)
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.note_memory()?;
        self.kills += 1;
        self.bugle.take().context("there is no server to kill")?.kill()?;
        self.receivers.iter().try_for_each(Receiver::settle)
    }

    /// Starts a server where one was killed. It may end by itself when a fault does not let it start: the answer is
    /// whether it did.
    pub(super) fn launch(&mut self) -> Result<bool> {
        let mut bugle = self.site.launch()?;
        let ended = wait_for("the server to start, or to say why not", PATIENCE, || {
            if bugle.ended()?.is_some() {
                return Ok(Some(true));
            }
            Ok((self.get("/healthz")?.status == 200).then_some(false))
        })?;
        self.bugle = (!ended).then_some(bugle);
        Ok(ended)
    }

    /// Adds what another load has sent.
    pub(super) fn add(&mut self, sent: Sent) {
        let more = std::mem::take(&mut self.more);
        self.more = more.and(sent);
    }

    fn note_memory(&mut self) -> Result<()> {
        if let Some(bugle) = &self.bugle {
            self.peak_kib = self.peak_kib.max(bugle.process().peak_kib()?);
        }
        Ok(())
    }

    /// Ends the load and asks what holds for every scenario: nothing lost, nothing out of order, nobody left hanging,
    /// nothing unbounded, no panic. What it saw is the summary.
    pub(super) fn close(mut self) -> Result<String> {
        let sent = self.load.finish()?.and(std::mem::take(&mut self.more));
        witness::drain(&self.site, PATIENCE, &self.destinations)?;
        let verdict = witness::judge_all(&self.site, &sent, &self.receivers, Retention::Keeps)?;
        ensure!(
            sent.refused_without_a_time == 0,
            "{} calls got a 503 without Retry-After",
            sent.refused_without_a_time
        );
        ensure!(
            sent.longest < ANSWER_WITHIN,
            "a call waited {:.1} s for its answer",
            sent.longest.as_secs_f64()
        );
        ensure!(self.kills > 0 || sent.broken == 0, "{} calls got no answer", sent.broken);
        let log = self.site.log_text();
        let panicked = log.lines().find(|line| line.contains("panicked"));
        ensure!(panicked.is_none(), "the server's log: {}", panicked.unwrap_or_default());
        let bugle = self.bugle.take().context("the scenario left no server behind")?;
        self.peak_kib = self.peak_kib.max(bugle.process().peak_kib()?);
        ensure!(self.peak_kib < MEMORY_KIB_MAX, "the server held {} MiB", self.peak_kib / 1024);
        bugle.stop()?;
        Ok(format!(
            "{} calls answered 200, {} 503, {} broken off; longest wait {:.1} s, peak {} MiB; {verdict}",
            sent.answered,
            sent.refused,
            sent.broken,
            sent.longest.as_secs_f64(),
            self.peak_kib / 1024
        ))
    }
}
