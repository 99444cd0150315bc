//! The shim that is preloaded into the server: how it is compiled, and the knobs that turn its faults on and off.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::{
    shell,
    stand::{bugle::Site, wait_for},
};

/// What can be turned, in the order of the shim's `enum knob`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Knob {
    /// The error of `fsync` and `fdatasync`; 0 is none.
    SyncError,
    /// The error of everything that writes.
    WriteError,
    /// The error of opening a file for writing.
    OpenError,
    /// How long `fsync` takes more, in milliseconds.
    SyncDelayMs,
    /// How long each write takes more, in milliseconds.
    WriteDelayMs,
    /// What is added to the time of day, in milliseconds.
    ClockShiftMs,
    /// Read: how many processes took the shim in.
    Loaded,
    /// Read: how many calls failed or waited.
    Hits,
}

const KNOBS: u64 = 8;

/// Linux's numbers for what goes wrong; the shim is compiled on the same system.
pub(crate) mod errno {
    /// The disk failed.
    pub(crate) const EIO: i64 = 5;
    /// The disk is full.
    pub(crate) const ENOSPC: i64 = 28;
    /// The file system can only be read.
    pub(crate) const EROFS: i64 = 30;
}

/// The knobs of one site's servers. They outlive each server.
pub(crate) struct Knobs {
    file: File,
}

impl Knobs {
    /// Turns one.
    pub(crate) fn turn(&self, knob: Knob, value: i64) -> Result<()> {
        Ok(self.file.write_all_at(&value.to_ne_bytes(), place(knob))?)
    }

    /// Reads one.
    pub(crate) fn read(&self, knob: Knob) -> Result<i64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, place(knob))?;
        Ok(i64::from_ne_bytes(bytes))
    }

    /// Waits until `count` more calls have failed or waited: a fault that nobody met proves nothing.
    pub(crate) fn wait_hits(&self, count: i64, limit: std::time::Duration) -> Result<()> {
        let before = self.read(Knob::Hits)?;
        wait_for(
            "the fault to be met",
            limit,
            || Ok((self.read(Knob::Hits)? >= before + count).then_some(())),
        )
    }
}

fn place(knob: Knob) -> u64 {
    8 * knob as u64
}

/// Compiles the shim into `folder` and gives the library. Once for all sites.
pub(crate) fn compile(folder: &Path) -> Result<PathBuf> {
    ensure!(cfg!(target_os = "linux"), "faults are made by a preloaded library, which needs Linux");
    ensure!(
        shell::exists("cc"),
        "there is no C compiler `cc` to compile the shim with: install gcc or clang"
    );
    let library = folder.join("shim.so");
    let source = shell::root().join("xtask/src/faults/shim.c");
    let options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o"];
    shell::run(shell::command("cc").args(options).arg(&library).arg(source).arg("-ldl"))?;
    Ok(library)
}

/// Preloads the shim into every server of `site`, with knobs of their own.
pub(crate) fn preload(site: Site, library: &Path, folder: &Path) -> Result<(Site, Knobs)> {
    let path = folder.join("knobs");
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .context("cannot write the knobs")?;
    file.set_len(8 * KNOBS)?;
    // The shim looks for the folder when the server starts, before that could make it.
    std::fs::create_dir_all(site.data())?;
    let data = site.data();
    let site = site
        .with_environment("LD_PRELOAD", library)
        .with_environment("FAULTS_KNOBS", path)
        .with_environment("FAULTS_FOLDER", data);
    Ok((site, Knobs { file }))
}
