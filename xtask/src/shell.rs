//! Other programs: how they are found, run, echoed and read.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

use anyhow::{Context, Result, bail};

/// The repository's root, wherever the command was called from.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where the live tests keep what they fetch and what they write.
pub(crate) fn scratch() -> PathBuf {
    root().join("target").join("xtask")
}

/// A command that runs in the repository's root and reads no input.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Cargo, the one that runs us.
pub(crate) fn cargo() -> Command {
    command(option_env!("CARGO").unwrap_or("cargo"))
}

/// Runs `command` with its output passed through; fails when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", name(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", name(command));
    }
    Ok(())
}

/// Runs `command` and gives what it printed to its standard output; fails when it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{} failed: {}: {said}", name(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} did not print text", name(command)))
}

/// What a command that was echoed left behind.
pub(crate) struct Echoed {
    /// Whether it exited with 0.
    pub(crate) success: bool,
    /// Every line of both its outputs.
    pub(crate) lines: Vec<String>,
}

/// Runs `command`, passing each line on as it comes and keeping it too.
pub(crate) fn echo(command: &mut Command) -> Result<Echoed> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    let (sender, receiver) = mpsc::channel();
    let readers = [
        child.stdout.take().map(|stream| forward(stream, sender.clone())),
        child.stderr.take().map(|stream| forward(stream, sender)),
    ];
    let mut lines = Vec::new();
    for line in receiver {
        println!("{line}");
        lines.push(line);
    }
    for reader in readers.into_iter().flatten() {
        if reader.join().is_err() {
            bail!("the output of {} could not be read", name(command));
        }
    }
    let success = child.wait().context("the command got lost")?.success();
    Ok(Echoed { success, lines })
}

fn forward(stream: impl Read + Send + 'static, lines: mpsc::Sender<String>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    })
}

/// Whether `program` can be started.
pub(crate) fn exists(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Builds `package` as it is shipped and gives its binary.
pub(crate) fn build_release(package: &str) -> Result<PathBuf> {
    run(cargo().args(["build", "--release", "--locked", "--package", package]))?;
    Ok(root().join("target").join("release").join(package))
}

fn name(command: &Command) -> String {
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    let words: Vec<_> = std::iter::once(command.get_program().to_string_lossy()).chain(arguments).collect();
    let line = words.join(" ");
    if line.len() > 160 { line.chars().take(160).collect::<String>() + "..." } else { line }
}
