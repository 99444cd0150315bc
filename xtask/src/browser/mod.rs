//! The pages, driven through a real browser: a fresh hub is signed in to, filled with a bad night, looked at, acted on.
//!
//! What is done and judged is in `node/`, in JavaScript, for that is what Playwright speaks; each scenario is a file of
//! its own there. Here is what it needs: tools, and the release binary on an empty folder.

mod tools;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

pub(crate) use self::tools::provide;
use crate::{count::Count, shell, stand::bugle::Site};

/// What to run, and where to keep what it leaves behind.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Only the scenarios whose name holds this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Fill the hub with so many more incidents first, nearly all of them over
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    incidents: u32,
    /// Where to keep screenshots and what failed, instead of target/browser
    #[arg(long, value_name = "FOLDER")]
    artifacts: Option<PathBuf>,
}

/// Runs the scenarios against `binary` and counts those that held and those that did not.
pub(crate) fn count(binary: &Path, options: &Options) -> Result<Count> {
    let tools = provide()?;
    let out = match &options.artifacts {
        Some(folder) => std::path::absolute(folder)?,
        None => shell::root().join("target").join("browser"),
    };
    let folder = tempfile::Builder::new().prefix("bugle-browser-").tempdir()?;
    let site = Site::new(binary, folder.path())?;
    let bugle = site.start()?;

    let mut node = tools.node();
    node.arg(tools.scripts.join("run.mjs"))
        .arg(format!("--url=http://{}", site.address()))
        .arg(format!("--folder={}", folder.path().display()))
        .arg(format!("--chromium={}", tools.chromium.display()))
        .arg(format!("--out={}", out.display()))
        .arg(format!("--only={}", options.only.as_deref().unwrap_or_default()))
        .arg(format!("--incidents={}", options.incidents));
    shell::run(&mut node).with_context(|| format!("the server's log ends:\n{}", site.log_end()))?;
    bugle.stop()?;

    let count = read(&out.join("results.json"))?;
    ensure!(count != Count::default(), "no scenario has such a name");
    println!("browser: {} scenarios held, {} did not; see {}", count.passed, count.failed, out.display());
    Ok(count)
}

/// As [`count`], but a scenario that did not hold is an error.
pub(crate) fn run(binary: &Path, options: &Options) -> Result<()> {
    let count = count(binary, options)?;
    ensure!(count.failed == 0, "{} scenarios did not hold", count.failed);
    Ok(())
}

fn read(results: &Path) -> Result<Count> {
    let text = std::fs::read_to_string(results).context("the scripts left no results")?;
    let results: Value = serde_json::from_str(&text)?;
    let number = |name: &str| -> Result<u32> {
        let number = results[name].as_u64().with_context(|| format!("the results have no `{name}`"))?;
        Ok(u32::try_from(number)?)
    };
    Ok(Count { passed: number("passed")?, failed: number("failed")? })
}
