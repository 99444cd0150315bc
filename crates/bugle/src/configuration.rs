//! `bugle config`: whether the settings are right, and where each came from.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::{
    Context, NotAsItShouldBe,
    cli::PlaceArgs,
    config::{DEFAULT_FILE, Flags, Row, Settings},
    output::Paint,
};

/// The arguments of `bugle config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Say what is wrong with the settings, with line and column
    Check,
    /// Print the settings in effect and where each came from
    Show {
        /// Print the commented default file instead
        #[arg(long)]
        default: bool,
        /// Print JSON
        #[arg(long, conflicts_with = "default")]
        json: bool,
    },
}

impl ConfigArgs {
    /// Checks or shows.
    pub fn run(&self, context: &Context) -> anyhow::Result<()> {
        match self.verb {
            ConfigVerb::Show { default: true, .. } => {
                context.output.line(DEFAULT_FILE.trim_end());
                Ok(())
            }
            ConfigVerb::Show { json, .. } => {
                let settings = self.place.settings(Flags::default(), context)?;
                show(&settings, json, context);
                Ok(())
            }
            ConfigVerb::Check => self.check(context),
        }
    }

    fn check(&self, context: &Context) -> anyhow::Result<()> {
        let settings = self.place.settings(Flags::default(), context)?;
        let warnings = settings.warnings(&context.environment);
        for warning in &warnings {
            context.output.line(format!("{}: {warning}", context.output.paint(Paint::Warn, "warning")));
        }
        if let Err(error) = settings.check_store().and_then(|()| settings.oidc().map(drop)) {
            context.output.line(format!("{}: {error}", context.output.paint(Paint::Bad, "error")));
            return Err(NotAsItShouldBe.into());
        }
        context.output.line(match warnings.len() {
            0 => "The settings are right.".to_owned(),
            1 => "The settings can be used, with the warning above.".to_owned(),
            n => format!("The settings can be used, with the {n} warnings above."),
        });
        Ok(())
    }
}

fn show(settings: &Settings, as_json: bool, context: &Context) {
    let rows = settings.rows();
    if as_json {
        let entry = |row: &Row| {
            let origin = row.origin.as_ref().map(ToString::to_string);
            (row.name.to_owned(), json!({"value": row.value, "origin": origin}))
        };
        return context.output.json(&Value::Object(rows.iter().map(entry).collect::<Map<_, _>>()));
    }
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| {
            let origin = row.origin.map_or_else(|| "not set".to_owned(), |origin| origin.to_string());
            let value = match row.value {
                Some(value) if value.is_empty() => "(none)".to_owned(),
                Some(value) => value,
                None => "-".to_owned(),
            };
            vec![row.name.to_owned(), value, origin]
        })
        .collect();
    context.output.table(&["SETTING", "VALUE", "FROM"], &rows);
}
