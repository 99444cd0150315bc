//! What a disk can do to a server: be full, fail, be slow, hang, be read-only; and a `kill -9` during each.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};

use super::{
    shim::{Knob, errno},
    stage::{PATIENCE, Stage},
};
use crate::{
    shell,
    witness::load::{self, Pace},
};

/// How long a fault goes on once it is met.
const WHILE: Duration = Duration::from_secs(1);

/// Every write fails for want of space.
pub(super) fn full(stage: &mut Stage) -> Result<()> {
    refuses_while(stage, Knob::WriteError, errno::ENOSPC)
}

/// Every fsync fails.
pub(super) fn sync_fails(stage: &mut Stage) -> Result<()> {
    refuses_while(stage, Knob::SyncError, errno::EIO)
}

/// While the fault is on no call is answered with 200; once it is gone all goes on by itself.
fn refuses_while(stage: &mut Stage, knob: Knob, error: i64) -> Result<()> {
    for _ in 0..2 {
        stage.knobs.turn(knob, error)?;
        refuses(stage)?;
        stage.knobs.turn(knob, 0)?;
        stage.says_ready(true)?;
        stage.answers(50)?;
    }
    Ok(())
}

fn refuses(stage: &mut Stage) -> Result<()> {
    stage.refusals(20)?;
    stage.says_ready(false)?;
    let answered = stage.load.answered();
    thread::sleep(WHILE);
    let lies = stage.load.answered() - answered;
    ensure!(lies == 0, "{lies} calls were answered 200 while nothing could be kept");
    Ok(())
}

/// Each fsync takes 200 ms and each write 2 ms: slow, and nobody is refused.
pub(super) fn slow(stage: &mut Stage) -> Result<()> {
    stage.knobs.turn(Knob::WriteDelayMs, 2)?;
    stage.knobs.turn(Knob::SyncDelayMs, 200)?;
    let refused = stage.load.refused();
    stage.answers(100)?;
    ensure!(stage.load.refused() == refused, "calls were refused, though the disk was only slow");
    stage.knobs.turn(Knob::WriteDelayMs, 0)?;
    stage.knobs.turn(Knob::SyncDelayMs, 0)?;
    stage.answers(50)
}

/// Each fsync takes 5 s: calls are answered, late.
pub(super) fn very_slow(stage: &mut Stage) -> Result<()> {
    stage.knobs.turn(Knob::SyncDelayMs, 5_000)?;
    stage.knobs.wait_hits(2, PATIENCE)?;
    stage.answers(6)?;
    stage.knobs.turn(Knob::SyncDelayMs, 0)?;
    stage.says_ready(true)?;
    stage.answers(50)
}

/// An fsync hangs while a crowd sends large bodies: all are told to come again in time, and memory stays bounded.
pub(super) fn hangs(stage: &mut Stage) -> Result<()> {
    const CROWD: Pace = Pace { senders: 128, pause_ms: (1, 50), padding_bytes: 512 * 1024 };
    stage.knobs.turn(Knob::SyncDelayMs, 15_000)?;
    stage.knobs.wait_hits(1, PATIENCE)?;
    let crowd = load::start(&stage.target, CROWD, "crowd", 1);
    stage.says_ready(false)?;
    stage.refusals(6)?;
    crowd.stop();
    stage.knobs.turn(Knob::SyncDelayMs, 0)?;
    stage.says_ready(true)?;
    stage.answers(50)?;
    let crowd = crowd.finish()?;
    ensure!(crowd.refused > 0, "nobody of the crowd was refused, though it sent more than fits into memory");
    stage.add(crowd);
    Ok(())
}

/// A full disk, and a kill while it is.
pub(super) fn killed_while_full(stage: &mut Stage) -> Result<()> {
    killed_while(stage, Knob::WriteError, errno::ENOSPC)
}

/// Failing fsyncs, and a kill among them.
pub(super) fn killed_while_sync_fails(stage: &mut Stage) -> Result<()> {
    killed_while(stage, Knob::SyncError, errno::EIO)
}

/// A slow disk, and a kill while many wait for it.
pub(super) fn killed_while_slow(stage: &mut Stage) -> Result<()> {
    killed_while(stage, Knob::SyncDelayMs, 200)
}

/// Kills the server while the fault is on, and starts it in the fault as well as after it.
fn killed_while(stage: &mut Stage, knob: Knob, value: i64) -> Result<()> {
    for round in 0..3 {
        stage.knobs.turn(knob, value)?;
        stage.knobs.wait_hits(5, PATIENCE)?;
        stage.kill()?;
        if round == 1 {
            stage.knobs.turn(knob, 0)?;
        }
        let ended = stage.launch()?;
        stage.knobs.turn(knob, 0)?;
        if ended {
            ensure!(
                !stage.launch()?,
                "the server does not start, though the fault is gone\n{}",
                stage.site.log_end()
            );
        }
        stage.says_ready(true)?;
        stage.answers(50)?;
    }
    Ok(())
}

/// A data folder that can only be read: the server says so and ends; once it can be written to, all is there.
pub(super) fn read_only(stage: &mut Stage) -> Result<()> {
    stage.kill()?;
    for knob in [Knob::OpenError, Knob::WriteError] {
        stage.knobs.turn(knob, errno::EROFS)?;
    }
    let before = stage.site.log_text().len();
    ensure!(stage.launch()?, "the server started on a folder that it cannot write to");
    let said = stage.site.log_text().split_off(before);
    ensure!(said.contains("data folder") && said.contains("Read-only"), "it did not say why: {said}");
    for knob in [Knob::OpenError, Knob::WriteError] {
        stage.knobs.turn(knob, 0)?;
    }
    ensure!(!stage.launch()?, "the server does not start\n{}", stage.site.log_end());
    stage.answers(50)
}

/// The name of the file that takes the space away.
const FILLER: &str = "filler";

/// A small file system that is mounted for as long as this lives. Needs root.
pub(super) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one on `folder`.
    pub(super) fn mount(folder: &Path) -> Result<Self> {
        shell::run(shell::command("mount").args(["-t", "tmpfs", "-o", "size=96m", "tmpfs"]).arg(folder))?;
        Ok(Self(folder.to_path_buf()))
    }

    /// Whether [`SmallDisk::mount`] is possible here.
    pub(super) fn is_possible() -> bool {
        tempfile::tempdir().is_ok_and(|folder| Self::mount(folder.path()).is_ok())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Files in it may still be open; it goes with the last of them.
        drop(shell::run(shell::command("umount").arg("--lazy").arg(&self.0)));
    }
}

/// The same as [`full`], and the disk really is.
pub(super) fn really_full(stage: &mut Stage) -> Result<()> {
    let filler: PathBuf = stage.site.data().join(FILLER);
    for _ in 0..2 {
        fill(&filler)?;
        refuses(stage)?;
        std::fs::remove_file(&filler)?;
        stage.says_ready(true)?;
        stage.answers(50)?;
    }
    fill(&filler)?;
    stage.refusals(5)?;
    stage.kill()?;
    let ended = stage.launch()?;
    std::fs::remove_file(&filler)?;
    if ended {
        ensure!(
            !stage.launch()?,
            "the server does not start, though there is space\n{}",
            stage.site.log_end()
        );
    }
    stage.says_ready(true)?;
    stage.answers(50)
}

/// Writes until nothing more goes in.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    for size in [1 << 20, 4096, 1] {
        let block = vec![0; size];
        while file.write_all(&block).is_ok() {}
    }
    Ok(())
}
