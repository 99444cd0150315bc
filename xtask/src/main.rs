//! The project's own commands. `cargo xtask check` is everything that must hold; the others are its parts.
//!
//! - [`check`]: the steps, in order, with their times and one count at the end.
//! - [`tidy`]: rules about the repository itself that no compiler knows.
//! - [`docs`]: the pages that are generated from the code.
//! - [`stand`]: what the live tests share: a server under test, a receiver, an HTTP client.
//! - [`witness`]: what the tests of keeping share: who notes what was promised and what arrived, and a judge.
//! - [`e2e`], [`crash`], [`faults`], [`browser`], [`mod@bench`]: the live tests and the measurements. They drive the
//!   release binary from outside, over sockets, as a stranger would; nothing here reaches into its database while it
//!   runs.
#![expect(
    clippy::print_stdout,
    reason = "these are commands for a terminal; what they print is their result"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "a JSON value is indexed by name and gives null where there is nothing; no slice is indexed here"
)]

mod bench;
mod browser;
mod check;
mod count;
mod crash;
mod docs;
mod e2e;
mod faults;
mod shell;
mod stand;
mod tidy;
mod tools;
mod witness;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// The server has the same one, so that the bench's ceilings differ from it only in what they do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must hold: formatting, tidy rules, lints, tests, docs, demo, live tests.
    Check,
    /// Only the rules about the repository itself: layers, sizes, links, fixtures, licences.
    Tidy,
    /// Writes the generated pages anew; `check` fails when one is stale.
    Docs,
    /// A real Prometheus and Alertmanager drive the release binary.
    E2e(Binary),
    /// Kills the release binary under load, again and again, and looks for what is missing.
    Crash {
        #[command(flatten)]
        binary: Binary,
        #[command(flatten)]
        options: crash::Options,
    },
    /// Drives the pages of the release binary through Chromium, and keeps screenshots of them.
    Browser {
        #[command(flatten)]
        binary: Binary,
        #[command(flatten)]
        options: browser::Options,
    },
    /// Breaks the disk, the clock, the receivers and the senders of the release binary, and looks for what is missing.
    Faults {
        #[command(flatten)]
        binary: Binary,
        #[command(flatten)]
        options: faults::Options,
    },
    /// Measures the release binary beside what could be reached at best in the same run.
    Bench(bench::Options),
    /// One of the bench's ceilings, as a process of its own.
    #[command(hide = true)]
    Ceiling(bench::ceiling::Options),
}

/// Which binary to drive.
#[derive(clap::Args)]
struct Binary {
    /// This one, instead of a fresh release build
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

impl Binary {
    fn provide(self) -> anyhow::Result<PathBuf> {
        self.binary.map_or_else(|| shell::build_release("bugle"), |file| Ok(file.canonicalize()?))
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Check => return check::run(),
        Command::Tidy => tidy::run(),
        Command::Docs => docs::write(),
        Command::E2e(binary) => binary.provide().and_then(|bugle| e2e::run(&bugle)),
        Command::Crash { binary, options } => binary.provide().and_then(|bugle| crash::run(&bugle, &options)),
        Command::Browser { binary, options } => {
            binary.provide().and_then(|bugle| browser::run(&bugle, &options))
        }
        Command::Faults { binary, options } => {
            binary.provide().and_then(|bugle| faults::run(&bugle, &options))
        }
        Command::Bench(options) => bench::run(&options),
        Command::Ceiling(options) => bench::ceiling::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("\nerror: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_is_well_formed() {
        Cli::command().debug_assert();
    }
}
