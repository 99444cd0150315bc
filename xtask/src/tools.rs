//! The programs that the live tests need beside Rust: Prometheus, Alertmanager, and Python's Standard Webhooks library.
//!
//! Debian's packages are unpacked below `target/`, not installed: that needs no root, starts no service, and leaves the
//! machine as it was, but for Alertmanager's templates, which it looks for in one place only. Where a package list or Python
//! itself is missing the system's package manager is asked.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{self, command, exists, scratch};

/// Where the live tests find what they need.
pub(crate) struct Tools {
    /// Debian's `prometheus`.
    pub(crate) prometheus: PathBuf,
    /// Debian's `prometheus-alertmanager`.
    pub(crate) alertmanager: PathBuf,
    /// A Python that can import `standardwebhooks`.
    pub(crate) python: PathBuf,
}

/// Finds them, fetching what is missing.
pub(crate) fn provide() -> Result<Tools> {
    let prometheus = debian("prometheus", "prometheus")?;
    let alertmanager = debian("prometheus-alertmanager", "prometheus-alertmanager")?;
    provide_templates(&alertmanager)?;
    Ok(Tools { prometheus, alertmanager, python: python()? })
}

/// Puts an unpacked Alertmanager's templates where Debian's build reads them; without them it does not start.
fn provide_templates(alertmanager: &Path) -> Result<()> {
    const TEMPLATES: &str = "usr/share/prometheus/alertmanager";
    let wanted = Path::new("/").join(TEMPLATES);
    let unpacked = alertmanager.ancestors().nth(3).map(|folder| folder.join(TEMPLATES));
    let Some(templates) = unpacked.filter(|folder| folder.exists() && !wanted.join("default.tmpl").exists())
    else {
        return Ok(());
    };
    let [templates, wanted] = [templates.join("."), wanted].map(|path| path.display().to_string());
    as_root(&["mkdir", "-p", &wanted])?;
    as_root(&["cp", "-R", &templates, &wanted])
}

/// The program `program` of Debian's package `package`: the installed one, else one unpacked below `target/`.
fn debian(package: &str, program: &str) -> Result<PathBuf> {
    if exists(program) {
        return Ok(PathBuf::from(program));
    }
    let folder = scratch().join("debian").join(package);
    let unpacked = folder.join("usr").join("bin").join(program);
    if !unpacked.exists() {
        unpack(package, &folder).with_context(|| {
            format!(
                "`{program}` is missing and could not be fetched; install it by hand: \
                 apt-get install --no-install-recommends {package}"
            )
        })?;
    }
    if !unpacked.exists() {
        bail!("Debian's package {package} holds no {program}");
    }
    Ok(unpacked)
}

/// Unpacks Debian's package `package` into `folder`.
pub(crate) fn unpack(package: &str, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let download = || shell::run(command("apt-get").args(["-q", "download", package]).current_dir(folder));
    if download().is_err() {
        as_root(&["apt-get", "-q", "update"])?;
        download()?;
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            shell::run(command("dpkg-deb").arg("-x").arg(&path).arg(folder))?;
        }
    }
    Ok(())
}

/// A virtual environment below `target/` with the library in it.
fn python() -> Result<PathBuf> {
    let folder = scratch().join("python");
    let python = folder.join("bin").join("python");
    let ready = || shell::output(command(&python).args(["-c", "import standardwebhooks"])).is_ok();
    if !ready() {
        virtual_environment(&folder, LIBRARY)?;
    }
    if !ready() {
        bail!("{LIBRARY} was installed and cannot be imported by {}", python.display());
    }
    Ok(python)
}

/// Makes a virtual environment in `folder`, anew, with Python's `package` in it.
pub(crate) fn virtual_environment(folder: &Path, package: &str) -> Result<()> {
    let make = || shell::run(command("python3").args(["-m", "venv", "--clear"]).arg(folder));
    if make().is_err() {
        as_root(&["apt-get", "-q", "update"])?;
        as_root(&["apt-get", "-q", "install", "-y", "--no-install-recommends", "python3", "python3-venv"])?;
        make()?;
    }
    let mut pip = command(folder.join("bin").join("python"));
    shell::run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).arg(package))
}

/// The reference implementation of <https://www.standardwebhooks.com>, written by others: what it accepts, we did not
/// decide.
const LIBRARY: &str = "standardwebhooks==1.1.0";

/// Runs `words` as root: as it is when we are, else by sudo when that asks nothing.
pub(crate) fn as_root(words: &[&str]) -> Result<()> {
    let is_root = shell::output(command("id").arg("-u"))?.trim() == "0";
    let mut line: Vec<&str> = if is_root { Vec::new() } else { vec!["sudo", "-n"] };
    line.extend(words);
    let (program, arguments) = line.split_first().context("no command was given")?;
    shell::run(command(program).env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
        .with_context(|| format!("run this as root, then try again: {}", words.join(" ")))
}
