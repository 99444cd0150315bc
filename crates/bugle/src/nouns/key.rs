//! `bugle key`: API keys.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{Column, Plan, View, carry_out, id};
use crate::{Context, cli::ClientArgs};

/// The arguments of `bugle key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: KeyVerb,
}

#[derive(Debug, Subcommand)]
enum KeyVerb {
    /// List keys
    List,
    /// Make a key; it is shown only this once
    Create {
        /// What to call it
        name: String,
        /// What it may do: look (read), act on incidents (operate), change the configuration (admin)
        #[arg(long, value_enum)]
        scope: ScopeWord,
    },
    /// Delete a key: from then on it opens nothing
    Delete {
        /// The key's id
        #[arg(value_parser = id)]
        id: String,
    },
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ScopeWord {
    Read,
    Operate,
    Admin,
}

impl ScopeWord {
    /// The word in the API.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

const LIST: &[Column] = &[
    Column::text("ID", "/id"),
    Column::text("NAME", "/name"),
    Column::text("SCOPE", "/scope"),
    Column::time("CREATED", "/created_at"),
    Column::time("LAST USED", "/last_used_at"),
];

impl KeyArgs {
    /// Asks the hub.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        carry_out(plan(self.verb), &self.client, context).await
    }
}

fn plan(verb: KeyVerb) -> Plan {
    match verb {
        KeyVerb::List => Plan::get("/api/v1/api-keys", View::List(LIST)),
        KeyVerb::Create { name, scope } => {
            Plan::post("/api/v1/api-keys", json!({"name": name, "scope": scope.as_str()}))
                .shown(View::Remarked("The key is shown only this once: keep it now."))
        }
        KeyVerb::Delete { id } => Plan::delete(
            format!("/api/v1/api-keys/{id}"),
            format!("Deleted {id}: it opens nothing any more."),
        ),
    }
}
