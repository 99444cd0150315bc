//! A program that a test started, which ends with the test.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};

use super::wait_for;

/// A child process. Dropping it kills it, so that a failed test leaves nothing running.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`, with both outputs appended to the file `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log).context("cannot write the log")?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        Ok(Self { child })
    }

    /// Its id, for other programs that look at it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`: it gets no chance to tidy up. Returns when it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill the process")?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop (SIGTERM) and waits for it.
    pub(crate) fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        crate::shell::run(crate::shell::command("kill").args(["-TERM", &self.child.id().to_string()]))?;
        wait_for("the process to stop", limit, || Ok(self.child.try_wait()?))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Memory it holds at the moment, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        self.status_kib("VmRSS:")
    }

    /// The most memory it ever held, in KiB.
    pub(crate) fn peak_kib(&self) -> Result<u64> {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, line: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let value = status.lines().find_map(|known| known.strip_prefix(line));
        let value = value.with_context(|| format!("the process has no {line}"))?;
        value.trim().trim_end_matches("kB").trim().parse().with_context(|| format!("{line} is not a number"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a process that does not die, and most have ended by now.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
