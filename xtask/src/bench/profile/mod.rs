//! Where the server's time goes: `perf` watches it while it is measured, and what it saw becomes a picture (`flame`).

mod flame;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use self::flame::Frame;
use crate::{shell, stand::process::Process};

/// Samples each second and core. Not a round number, so that it falls in step with nothing.
const SAMPLES_PER_SECOND: &str = "199";
/// Bytes of the stack that are kept with each sample, from which its callers are found: the server is built without frame
/// pointers.
const STACK: &str = "dwarf,16384";
/// Longest time for `perf` to write what it saw.
const WRITTEN_WITHIN: Duration = Duration::from_mins(1);

/// The recordings of one run, in a folder that is emptied first.
pub(super) struct Profile {
    folder: PathBuf,
}

impl Profile {
    /// Looks for `perf`.
    pub(super) fn new() -> Result<Self> {
        ensure!(
            shell::exists("perf"),
            "--profile needs `perf`, which is missing: install it (Debian and Ubuntu: apt-get install linux-perf or \
             linux-tools-generic)"
        );
        let folder = shell::scratch().join("profile");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Watches `process` until the recording is stopped.
    pub(super) fn record(&self, part: &str, process: &Process) -> Result<Recording> {
        let data = self.folder.join(part).with_extension("data");
        let log = self.folder.join(part).with_extension("log");
        let mut command = shell::command("perf");
        command.args(["record", "--event", "cpu-clock", "--freq", SAMPLES_PER_SECOND, "--call-graph", STACK]);
        command.arg("--pid").arg(process.id().to_string()).arg("--output").arg(&data);
        Ok(Recording { perf: Process::start(&mut command, &log)?, data, log })
    }

    /// Draws all recordings as one picture; gives its path.
    pub(super) fn draw(&self) -> Result<PathBuf> {
        let mut root = Frame::default();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "data") {
                let part = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                root.take_in(&part, &script(&path)?);
            }
        }
        ensure!(
            root.samples() > 0,
            "perf saw nothing of the server: see the logs in {}",
            self.folder.display()
        );
        let picture = self.folder.join("flamegraph.svg");
        std::fs::write(&picture, flame::svg(&root))?;
        Ok(picture)
    }
}

/// The samples as text: for each the thread's name and its frames, innermost first.
fn script(data: &Path) -> Result<String> {
    let mut command = shell::command("perf");
    command.args(["script", "--no-inline", "--fields", "comm,ip,sym", "--input"]).arg(data);
    shell::output(&mut command)
}

/// A server that is being watched.
pub(super) struct Recording {
    perf: Process,
    data: PathBuf,
    log: PathBuf,
}

impl Recording {
    /// Stops watching, and waits until all is written.
    pub(super) fn stop(mut self) -> Result<()> {
        // It ends with the signal that it was stopped by; whether it recorded anything says the file.
        self.perf.stop(WRITTEN_WITHIN)?;
        let size = std::fs::metadata(&self.data).map(|data| data.len()).unwrap_or_default();
        if size == 0 {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            return Err(anyhow::anyhow!("{}", said.trim())).context(
                "perf could not watch the server: run this as root, or set kernel.perf_event_paranoid to 1",
            );
        }
        Ok(())
    }
}
