//! The commands. Each command's own arguments stand beside what it does.

use std::path::PathBuf;

use anyhow::Context as _;
use bugle_platforms::table;
use clap::{Args, CommandFactory, Parser, Subcommand, builder::PossibleValuesParser};
use clap_complete::Shell;

use crate::{
    Context, Usage,
    bench::BenchArgs,
    config::{Flags, Folder, Hidden, HttpUrl, Settings, read_secret},
    configuration::ConfigArgs,
    demo::DemoArgs,
    listen::ListenArgs,
    nouns::{
        delivery::DeliveryArgs, destination::DestinationArgs, incident::IncidentArgs,
        integration::IntegrationArgs, key::KeyArgs, receipt::ReceiptArgs, user::UserArgs,
    },
    proof::{SignArgs, VerifyArgs},
    send::SendArgs,
    serve::ServeArgs,
};

/// Takes in alert webhooks from every monitoring platform, proves who sent them, turns them into incidents, and sends each
/// change on to every system that wants it.
#[derive(Debug, Parser)]
#[command(name = "bugle", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Begin with `bugle demo`, or with `bugle serve` and then `bugle integration create`.")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub
    Serve(ServeArgs),
    /// Run a hub with every platform and a receiver, and watch alerts go through it
    Demo(DemoArgs),
    /// Inbound sources: who may send alerts here
    Integration(IntegrationArgs),
    /// Outbound endpoints: who is told of changes
    Destination(DestinationArgs),
    /// Incidents: look at them and act on them
    Incident(IncidentArgs),
    /// Inbound calls as they came: look at them, replay and re-verify them
    Receipt(ReceiptArgs),
    /// Events on their way to destinations, with every attempt
    Delivery(DeliveryArgs),
    /// API keys
    Key(KeyArgs),
    /// The people who sign in
    User(UserArgs),
    /// Receive webhooks on this machine, verify and print them
    Listen(ListenArgs),
    /// Send realistic, signed calls of a platform to a hub
    Send(SendArgs),
    /// Send calls as fast as a hub takes them, or at a rate, and measure its answers
    Bench(BenchArgs),
    /// Check a request's signature, offline
    Verify(VerifyArgs),
    /// Sign a request, offline
    Sign(SignArgs),
    /// Check the settings, or show where each came from
    Config(ConfigArgs),
    /// Print a script that completes commands in a shell
    #[command(after_help = "For instance: bugle completion bash > /etc/bash_completion.d/bugle")]
    Completion {
        /// The shell
        shell: Shell,
    },
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self, context: &Context) -> anyhow::Result<()> {
        match self.command {
            Command::Config(args) => args.run(context),
            Command::Verify(args) => args.run(context),
            Command::Sign(args) => args.run(context),
            Command::Completion { shell } => {
                complete(shell);
                Ok(())
            }
            command => runtime()?.block_on(command.run(context)),
        }
    }
}

impl Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Serve(args) => args.run(context).await,
            Self::Demo(args) => args.run(context).await,
            Self::Integration(args) => args.run(context).await,
            Self::Destination(args) => args.run(context).await,
            Self::Incident(args) => args.run(context).await,
            Self::Receipt(args) => args.run(context).await,
            Self::Delivery(args) => args.run(context).await,
            Self::Key(args) => args.run(context).await,
            Self::User(args) => args.run(context).await,
            Self::Listen(args) => args.run(context).await,
            Self::Send(args) => args.run(context).await,
            Self::Bench(args) => args.run(context).await,
            Self::Verify(args) => args.run(context),
            Self::Sign(args) => args.run(context),
            Self::Config(args) => args.run(context),
            Self::Completion { shell } => {
                complete(shell);
                Ok(())
            }
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("could not start the async runtime")
}

fn complete(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bugle", &mut script);
    crate::output::raw(&script);
}

/// Reads a platform's slug; completion offers those in the table.
pub fn platforms() -> PossibleValuesParser {
    PossibleValuesParser::new(table::SOURCES.iter().map(|source| source.slug()))
}

/// Reads a dialect's slug.
pub fn dialects() -> PossibleValuesParser {
    PossibleValuesParser::new(table::DIALECTS.iter().map(|dialect| dialect.slug()))
}

/// Where help lists what is the same for every command.
const HUB: &str = "Which hub";

/// Where settings and data are.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// The configuration file, instead of ./bugle.toml or BUGLE_CONFIG
    #[arg(long, global = true, value_name = "FILE", help_heading = HUB)]
    pub config: Option<PathBuf>,
    /// The hub's data folder, instead of BUGLE_DATA or ./bugle-data
    #[arg(long, global = true, value_name = "FOLDER", help_heading = HUB)]
    pub data: Option<Folder>,
}

impl PlaceArgs {
    /// The settings, with these flags and `flags` on top.
    pub fn settings(&self, flags: Flags, context: &Context) -> anyhow::Result<Settings> {
        let flags = Flags { data: self.data.clone(), ..flags };
        Ok(Settings::load(self.config.as_deref(), flags, &context.environment)?)
    }
}

/// Which hub to talk to, and how to print its answers.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Where the hub is, instead of BUGLE_URL or this machine
    #[arg(id = "hub_url", long = "url", global = true, value_name = "URL", help_heading = HUB)]
    pub url: Option<HttpUrl>,
    /// A file with the API key, instead of BUGLE_API_KEY or the admin key in the data folder
    #[arg(long, global = true, value_name = "FILE", help_heading = HUB)]
    pub api_key_file: Option<PathBuf>,
    /// Print the hub's answer as JSON
    #[arg(long, global = true, help_heading = HUB)]
    pub json: bool,
}

impl ClientArgs {
    /// The settings, with these flags on top.
    pub fn settings(&self, context: &Context) -> anyhow::Result<Settings> {
        let key = self.api_key_file.as_deref().map(|path| read_secret(path, "--api-key-file")).transpose()?;
        let key: Option<Hidden> =
            key.map(|text| text.parse()).transpose().map_err(|error| Usage(format!("{error}")))?;
        self.place.settings(Flags { url: self.url.clone(), api_key: key, ..Flags::default() }, context)
    }
}

/// A secret that signs or verifies.
#[derive(Debug, Clone, Args)]
pub struct SecretArgs {
    /// The secret itself; other users of this machine can see it, so a file is better
    #[arg(long, value_name = "SECRET", conflicts_with = "secret_file")]
    pub secret: Option<Hidden>,
    /// A file with the secret
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
}

impl SecretArgs {
    /// The secret that the flags give.
    pub fn given(&self) -> anyhow::Result<Option<Hidden>> {
        let Some(path) = &self.secret_file else { return Ok(self.secret.clone()) };
        let text = read_secret(path, "--secret-file")?;
        Ok(Some(text.parse().map_err(|error| Usage(format!("--secret-file: {error}")))?))
    }

    /// The secret that the flags give, or else BUGLE_SECRET or the file that BUGLE_SECRET_FILE names.
    pub fn find(&self, context: &Context) -> anyhow::Result<Option<Hidden>> {
        if let Some(secret) = self.given()? {
            return Ok(Some(secret));
        }
        let text = context.environment.secret("BUGLE_SECRET")?;
        text.map(|text| text.parse().map_err(|error| Usage(format!("BUGLE_SECRET: {error}")).into()))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn completion_knows_every_platform() {
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut Cli::command(), "bugle", &mut script);
        let script = String::from_utf8(script).unwrap();
        for source in table::SOURCES {
            assert!(script.contains(source.slug()), "{} is not completed", source.slug());
        }
    }
}
