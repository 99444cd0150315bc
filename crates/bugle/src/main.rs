//! Bugle: the alert webhook hub in one binary. Here are the commands and how the parts are put together.
//!
//! - [`cli`]: the commands and what each is given.
//! - [`config`]: settings, the only reader of the environment.
//! - [`serve`], [`demo`]: the hub itself, and the hub with everything around it.
//! - [`nouns`]: the commands that talk to a running hub, over [`client`].
//! - [`listen`], [`send`], [`mod@bench`], [`proof`]: a receiver, a sender, load, and signatures by hand.
//! - [`memory`]: what is given back when there is nothing to do.
//! - [`output`]: everything that is printed.
//!
//! What never lives here: what an alert means, and how it is stored or sent.

mod bench;
mod cli;
mod client;
mod config;
mod configuration;
mod demo;
mod hub;
mod listen;
mod memory;
mod nouns;
mod output;
mod proof;
mod receiver;
mod sample;
mod send;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use crate::{cli::Cli, config::Environment, output::Output};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What every command is given beside its own arguments.
#[derive(Debug, Clone)]
pub struct Context {
    /// The environment, read once.
    pub environment: Environment,
    /// Where things are printed.
    pub output: Output,
}

/// The command was called in a way that makes no sense. Exits with 2, as a wrong flag does.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// What the command found is not as it should be, and it has said so already. Exits with 1.
#[derive(Debug, thiserror::Error)]
#[error("not as it should be")]
pub struct NotAsItShouldBe;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::of_process();
    let context = Context { output: Output::new(&environment), environment };
    match cli.run(&context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, context.output),
    }
}

/// Says what went wrong, with its causes, and chooses the exit code: 2 for wrong usage, 1 for the rest.
fn report(error: &anyhow::Error, output: Output) -> ExitCode {
    if error.is::<NotAsItShouldBe>() {
        return ExitCode::FAILURE;
    }
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    output.note(text);
    if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}
