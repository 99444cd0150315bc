//! `bugle user`: the people who sign in.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Column, Plan, View, carry_out, fields, id, key::ScopeWord};
use crate::{Context, cli::ClientArgs};

/// The arguments of `bugle user`.
#[derive(Debug, Args)]
pub struct UserArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: UserVerb,
}

#[derive(Debug, Subcommand)]
enum UserVerb {
    /// List users
    List,
    /// Add a user; prints a link where they choose a password, once
    Create {
        /// What they sign in with, as a rule their e-mail address
        name: String,
        /// What they may do: look (read), act on incidents (operate), change the configuration (admin)
        #[arg(long, value_enum)]
        role: ScopeWord,
    },
    /// Change a user; another role, and disabling, end their sessions
    Update {
        /// The user's id
        #[arg(value_parser = id)]
        id: String,
        /// Another name to sign in with
        #[arg(long)]
        name: Option<String>,
        /// What they may do
        #[arg(long, value_enum)]
        role: Option<ScopeWord>,
        /// Keep them out, or let them in again
        #[arg(long, value_name = "BOOL")]
        disabled: Option<bool>,
    },
    /// Print a link where a user chooses a new password, once, within a day
    Link {
        /// The user's id
        #[arg(value_parser = id)]
        id: String,
    },
    /// Delete a user and end their sessions
    Delete {
        /// The user's id
        #[arg(value_parser = id)]
        id: String,
    },
}

const LIST: &[Column] = &[
    Column::text("ID", "/id"),
    Column::text("NAME", "/name"),
    Column::text("ROLE", "/role"),
    Column::text("DISABLED", "/disabled"),
    Column::time("ADDED", "/created_at"),
];

impl UserArgs {
    /// Asks the hub.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        carry_out(plan(self.verb), &self.client, context).await
    }
}

fn plan(verb: UserVerb) -> Plan {
    let remark = View::Remarked("Give them the link: there they choose a password, once, within 24 hours.");
    match verb {
        UserVerb::List => Plan::get("/api/v1/users", View::List(LIST)),
        UserVerb::Create { name, role } => {
            Plan::post("/api/v1/users", json!({"name": name, "role": role.as_str()})).shown(remark)
        }
        UserVerb::Update { id, name, role, disabled } => {
            let body = fields([
                ("name", name.map(Value::from)),
                ("role", role.map(|role| role.as_str().into())),
                ("disabled", disabled.map(Value::from)),
            ]);
            Plan::patch(format!("/api/v1/users/{id}"), body.into())
        }
        UserVerb::Link { id } => Plan::post(format!("/api/v1/users/{id}/link"), None).shown(remark),
        UserVerb::Delete { id } => Plan::delete(
            format!("/api/v1/users/{id}"),
            format!("Deleted {id}: whoever it was is signed out."),
        ),
    }
}
