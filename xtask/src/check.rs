//! Everything that must hold, in order, each step with its time, and one count at the end: `N passed, N failed`.
//!
//! A step that fails does not stop the others, so that one run shows all there is to mend. Nothing is skipped: what
//! cannot run has failed.

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};

use crate::{
    bench, browser,
    count::{self, Count},
    crash, docs, e2e, faults, shell, stand, tidy, tools,
};

/// What the steps found so far.
#[derive(Default)]
struct Report {
    count: Count,
    failures: Vec<String>,
    times: Vec<(String, Duration)>,
}

impl Report {
    /// Runs one step, which counts as one.
    fn step(&mut self, what: &str, step: impl FnOnce() -> Result<()>) {
        self.tests(what, || step().map(|()| Count::step(true)));
    }

    /// Runs a step that counts what it ran itself.
    fn tests(&mut self, what: &str, step: impl FnOnce() -> Result<Count>) {
        println!("\n== {what}");
        let started = Instant::now();
        let result = step();
        let took = started.elapsed();
        let held = match result {
            Ok(count) => {
                self.count += count;
                count.failed == 0
            }
            Err(problem) => {
                println!("error: {problem:#}");
                self.count += Count::step(false);
                false
            }
        };
        println!("== {what}: {} ({:.1} s)", if held { "ok" } else { "FAILED" }, took.as_secs_f64());
        if !held {
            self.failures.push(what.to_owned());
        }
        self.times.push((what.to_owned(), took));
    }

    /// Prints the times, what failed, and, as the last line, the count.
    fn close(self) -> ExitCode {
        println!("\n== times");
        for (what, took) in &self.times {
            println!("{:8.1} s  {what}", took.as_secs_f64());
        }
        if !self.failures.is_empty() {
            println!("\nfailed: {}", self.failures.join(", "));
        }
        println!("\n{} passed, {} failed", self.count.passed, self.count.failed);
        let held = self.count.failed == 0 && self.count.passed > 0;
        if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs all steps.
pub(crate) fn run() -> ExitCode {
    let mut report = Report::default();
    report.step("tools: Prometheus, Alertmanager, Python", || tools::provide().map(drop));
    report.step("tools: Node, Playwright, Chromium", || browser::provide().map(drop));
    report.step("format", format);
    tidy_rules(&mut report);
    report.step("docs: generated pages are fresh", docs::check);
    report.step("clippy", || {
        shell::run(shell::cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]))
    });
    let references = shell::scratch().join("snapshots.txt");
    report.tests("tests", || tests(&references));
    report.step("snapshots: none is unused", || unused_snapshots(&references));
    report.tests("doc tests", doc_tests);
    report.step("rustdoc: every link leads somewhere", || {
        let mut command = shell::cargo();
        command.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "--no-deps", "--locked"]);
        shell::run(&mut command)
    });

    let mut binary = Err(anyhow!("not built"));
    report.step("release build", || {
        binary = shell::build_release("bugle");
        binary.as_ref().map(drop).map_err(|problem| anyhow!("{problem:#}"))
    });
    let binary =
        || -> Result<&PathBuf> { binary.as_ref().map_err(|_| anyhow!("there is no release build to test")) };
    report.step("demo", || demo(binary()?));
    report.step("e2e: Prometheus and Alertmanager", || e2e::run(binary()?));
    report.tests("browser: every page and path", || browser::count(binary()?, &browser::Options::default()));
    report.step("crash: 50 kills under load", || crash::run(binary()?, &crash::Options::for_check()));
    report.step("faults: disk, clock, receivers and senders misbehave", || {
        faults::run(binary()?, &faults::Options::for_check())
    });
    report.step("bench: runs", || bench::run(&bench::Options::for_check()));
    report.close()
}

fn tidy_rules(report: &mut Report) {
    let repository = tidy::Repository::read();
    for (what, rule) in tidy::RULES {
        report.step(what, || {
            let repository = repository.as_ref().map_err(|problem| anyhow!("{problem:#}"))?;
            let problems = rule(repository)?;
            ensure!(problems.is_empty(), "{}", problems.join("\n"));
            Ok(())
        });
    }
}

/// Every Rust file by name: `cargo fmt` follows only modules that are declared outside macros.
fn format() -> Result<()> {
    let listed = shell::output(shell::command("git").args(["ls-files", "-z", "--cached", "--", "*.rs"]))?;
    let files = listed.split('\0').filter(|path| !path.is_empty() && shell::root().join(path).exists());
    shell::run(shell::command("rustfmt").args(["--check", "--edition", "2024"]).args(files))
}

/// All tests, by cargo-nextest where it is installed. Snapshots that are read are noted in `references`.
fn tests(references: &PathBuf) -> Result<Count> {
    std::fs::create_dir_all(shell::scratch())?;
    std::fs::write(references, "")?;
    let nextest = shell::output(shell::cargo().args(["nextest", "--version"])).is_ok();
    let mut command = shell::cargo();
    if nextest {
        command.args([
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--status-level",
            "slow",
        ]);
    } else {
        command.args(["test", "--workspace", "--all-targets", "--locked", "--no-fail-fast"]);
    }
    command.env("INSTA_UPDATE", "no").env("INSTA_SNAPSHOT_REFERENCES_FILE", references);
    counted(&mut command, nextest)
}

fn doc_tests() -> Result<Count> {
    counted(shell::cargo().args(["test", "--workspace", "--doc", "--locked", "--no-fail-fast"]), false)
}

/// Runs a test command and reads how much it ran; a failure that no test explains counts as one.
fn counted(command: &mut Command, nextest: bool) -> Result<Count> {
    let ended = shell::echo(command)?;
    let lines = ended.lines.iter().map(String::as_str);
    let count = if nextest { count::of_nextest(lines) } else { count::of_libtest(lines) };
    let mut count = count.context("no test ran, or the runner did not say")?;
    if !ended.success && count.failed == 0 {
        count.failed = 1;
    }
    Ok(count)
}

fn unused_snapshots(references: &PathBuf) -> Result<()> {
    let read = std::fs::read_to_string(references)?;
    ensure!(!read.is_empty(), "no test read a snapshot: the tests did not run");
    let problems = tidy::unreferenced_snapshots(&read)?;
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

/// The first thing that anybody sees of Bugle: it must run through by itself, with every platform in it.
fn demo(binary: &std::path::Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let printed = stand::bugle::run_cli(binary, folder.path(), &["demo", "--once"])?;
    print!("{printed}");
    for source in bugle_platforms::table::SOURCES {
        let shown = |line: &str| line.starts_with(source.slug()) && line.contains("resolved");
        ensure!(printed.lines().any(shown), "the demo shows no resolved incident of {}", source.slug());
    }
    Ok(())
}
