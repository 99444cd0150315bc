//! `bugle destination`: outbound endpoints.

use std::path::PathBuf;

use bugle_model::EventKind;
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::{Map, Value};

use super::{Column, PageArgs, Plan, View, carry_out, fields, header, id, read_object, setting};
use crate::{
    Context, Usage,
    cli::{ClientArgs, SecretArgs},
};

/// The arguments of `bugle destination`.
#[derive(Debug, Args)]
pub struct DestinationArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: DestinationVerb,
}

#[derive(Debug, Subcommand)]
enum DestinationVerb {
    /// List destinations with their circuits
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one, all of it
    Get {
        /// The destination
        #[arg(value_parser = id)]
        id: String,
    },
    /// Make one; a secret that Bugle makes for it is shown only this once
    Create {
        /// Where events are sent
        #[arg(required_unless_present = "file")]
        url: Option<String>,
        /// How they are written; standard-webhooks unless given
        #[arg(long, value_parser = crate::cli::dialects(), hide_possible_values = true)]
        dialect: Option<String>,
        #[command(flatten)]
        secret: SecretArgs,
        #[command(flatten)]
        changes: Changes,
        /// A JSON file with the API's fields, or with a `webhook_config`; flags win over it
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Change one; what is not given stays
    Update {
        /// The destination
        #[arg(value_parser = id)]
        id: String,
        /// Where events are sent from now on
        #[arg(long, value_name = "URL")]
        to: Option<String>,
        #[command(flatten)]
        changes: Changes,
        /// Send nothing for now
        #[arg(long)]
        disable: bool,
        /// A JSON file with the API's fields; flags win over it
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Delete one; what it still waits for is never sent
    Delete {
        /// The destination
        #[arg(value_parser = id)]
        id: String,
    },
    /// Add a secret to sign with, and let the old ones end after a while
    #[command(visible_alias = "rotate")]
    Secret {
        /// The destination
        #[arg(value_parser = id)]
        id: String,
        #[command(flatten)]
        secret: SecretArgs,
        /// For how long the old secrets still sign, in seconds; a day without it
        #[arg(long, value_name = "SECONDS")]
        overlap_seconds: Option<u64>,
    },
    /// End one secret at once
    RemoveSecret {
        /// The destination
        #[arg(value_parser = id)]
        id: String,
        /// The secret's id, as `bugle destination get` shows it
        #[arg(value_parser = id)]
        secret_id: String,
    },
    /// Send one a test and say what it answered
    Verify {
        /// The destination
        #[arg(value_parser = id)]
        id: String,
    },
    /// Switch one on again, and close its circuit
    Enable {
        /// The destination
        #[arg(value_parser = id)]
        id: String,
    },
    /// Send again what one never got
    Recover {
        /// The destination
        #[arg(value_parser = id)]
        id: String,
        /// Only what was created since this time, such as 2026-11-21T03:00:00Z
        #[arg(long, value_name = "TIME")]
        since: Option<bugle_model::Timestamp>,
    },
}

/// What of a destination can be set and changed.
#[derive(Debug, Default, Args)]
struct Changes {
    /// What to call it
    #[arg(long)]
    name: Option<String>,
    /// The method; POST unless given
    #[arg(long)]
    method: Option<String>,
    /// A header to send; repeat for more
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// An event it wants; repeat for more, all without
    #[arg(long, hide_possible_values = true,
        value_parser = PossibleValuesParser::new(EventKind::ALL.iter().map(|kind| kind.as_str())))]
    event: Vec<String>,
    /// A JSON file with the body to send, placeholders such as {{incident.id}} in its strings
    #[arg(long, value_name = "FILE")]
    template_file: Option<PathBuf>,
    /// A setting of the dialect; repeat for more
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    setting: Vec<(String, Value)>,
    /// Attempts under way at once
    #[arg(long, value_name = "N")]
    concurrency: Option<u16>,
    /// Longest time of one attempt, in milliseconds
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u32>,
}

impl Changes {
    fn into_fields(self) -> anyhow::Result<Map<String, Value>> {
        let headers = self.header.into_iter().map(|(name, value)| (name, Value::from(value)));
        let headers: Map<String, Value> = headers.collect();
        let template = self.template_file.as_deref().map(read_object).transpose()?;
        Ok(fields([
            ("name", self.name.map(Value::from)),
            ("method", self.method.map(Value::from)),
            ("headers", (!headers.is_empty()).then_some(Value::Object(headers))),
            ("events", (!self.event.is_empty()).then(|| self.event.into())),
            ("template", template.map(Value::Object)),
            (
                "settings",
                (!self.setting.is_empty()).then(|| Value::Object(self.setting.into_iter().collect())),
            ),
            ("concurrency", self.concurrency.map(Value::from)),
            ("timeout_ms", self.timeout_ms.map(Value::from)),
        ]))
    }
}

const LIST: &[Column] = &[
    Column::text("ID", "/id"),
    Column::text("NAME", "/name"),
    Column::text("DIALECT", "/dialect"),
    Column::text("URL", "/url"),
    Column::made("STATE", state),
    Column::text("CIRCUIT", "/circuit_state/phase"),
    Column::time("CREATED", "/created_at"),
];

fn state(row: &Value) -> String {
    if row.get("enabled").and_then(Value::as_bool) != Some(false) {
        return "enabled".into();
    }
    match row.get("disabled_reason").and_then(Value::as_str) {
        Some(reason) => format!("disabled: {reason}"),
        None => "disabled".into(),
    }
}

impl DestinationArgs {
    /// Asks the hub.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        carry_out(plan(self.verb)?, &self.client, context).await
    }
}

fn plan(verb: DestinationVerb) -> anyhow::Result<Plan> {
    let at = |id: &str, rest: &str| format!("/api/v1/destinations/{id}{rest}");
    let from_file =
        |file: Option<PathBuf>| file.as_deref().map(read_object).transpose().map(Option::unwrap_or_default);
    Ok(match verb {
        DestinationVerb::List { page } => Plan::get(page.path("/api/v1/destinations", &[]), View::List(LIST)),
        DestinationVerb::Get { id } => Plan::get(at(&id, ""), View::Tree),
        DestinationVerb::Create { url, dialect, secret, changes, file } => {
            let mut body = from_file(file)?;
            let secret = secret.given()?.map(|secret| Value::from(secret.expose()));
            body.extend(fields([
                ("url", url.map(Value::from)),
                ("dialect", dialect.map(Value::from)),
                ("secret", secret),
            ]));
            body.extend(changes.into_fields()?);
            let remark = "Give the secret to the receiver; one that Bugle made is shown only this once. `bugle destination \
                          verify` sends a test.";
            Plan::post("/api/v1/destinations", Value::Object(body)).shown(View::Remarked(remark))
        }
        DestinationVerb::Update { id, to, changes, disable, file } => {
            let mut body = from_file(file)?;
            body.extend(fields([
                ("url", to.map(Value::from)),
                ("enabled", disable.then_some(Value::Bool(false))),
            ]));
            body.extend(changes.into_fields()?);
            if body.is_empty() {
                return Err(Usage("nothing to change: give at least one flag, see --help".into()).into());
            }
            Plan::patch(at(&id, ""), Value::Object(body))
        }
        DestinationVerb::Delete { id } => {
            let done = format!("Deleted {id}. What it still waited for is never sent.");
            Plan::delete(at(&id, ""), done)
        }
        DestinationVerb::Secret { id, secret, overlap_seconds } => {
            let secret = secret.given()?.map(|secret| Value::from(secret.expose()));
            let body = fields([("secret", secret), ("overlap_seconds", overlap_seconds.map(Value::from))]);
            let remark = "Give the new secret to the receiver; one that Bugle made is shown only this once.";
            Plan::post(at(&id, "/secrets"), Value::Object(body)).shown(View::Remarked(remark))
        }
        DestinationVerb::RemoveSecret { id, secret_id } => {
            let done = format!("Ended secret {secret_id} of {id}.");
            Plan::delete(at(&id, &format!("/secrets/{secret_id}")), done)
        }
        DestinationVerb::Verify { id } => Plan::post(at(&id, "/verify"), None).failed_when(|attempt| {
            attempt.pointer("/verdict/verdict").and_then(Value::as_str) != Some("delivered")
        }),
        DestinationVerb::Enable { id } => Plan::post(at(&id, "/enable"), None),
        DestinationVerb::Recover { id, since } => {
            let since = since.map(|since| Value::from(since.to_string()));
            Plan::post(at(&id, "/recover"), Value::Object(fields([("since", since)])))
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: DestinationArgs,
    }

    fn check(line: &[&str], expected: &str) {
        let words = std::iter::once(&"destination").chain(line);
        let args = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{line:?}: {error}")).args;
        let plan = plan(args.verb).unwrap();
        let body = plan.body.map_or_else(String::new, |body| format!(" {body}"));
        assert_eq!(format!("{} {}{body}", plan.method, plan.path), expected);
    }

    #[test]
    fn each_verb_is_the_call_of_the_api() {
        check(&["list"], "GET /api/v1/destinations");
        check(
            &[
                "create",
                "https://hooks.example.com/in",
                "--header",
                "X-Team: ops",
                "--event",
                "incident.created",
            ],
            concat!(
                r#"POST /api/v1/destinations {"url":"https://hooks.example.com/in","headers":{"X-Team":"ops"},"#,
                r#""events":["incident.created"]}"#
            ),
        );
        check(&["update", "dst_1", "--disable"], r#"PATCH /api/v1/destinations/dst_1 {"enabled":false}"#);
        check(
            &["update", "dst_1", "--to", "https://b.example.com", "--url", "http://127.0.0.1:1"],
            r#"PATCH /api/v1/destinations/dst_1 {"url":"https://b.example.com"}"#,
        );
        check(&["verify", "dst_1"], "POST /api/v1/destinations/dst_1/verify");
        check(&["rotate", "dst_1"], "POST /api/v1/destinations/dst_1/secrets {}");
        check(&["remove-secret", "dst_1", "sec_1"], "DELETE /api/v1/destinations/dst_1/secrets/sec_1");
        check(&["enable", "dst_1"], "POST /api/v1/destinations/dst_1/enable");
        check(
            &["recover", "dst_1", "--since", "2026-11-21T03:00:00Z"],
            r#"POST /api/v1/destinations/dst_1/recover {"since":"2026-11-21T03:00:00.000Z"}"#,
        );
        check(&["delete", "dst_1"], "DELETE /api/v1/destinations/dst_1");
    }

    #[test]
    fn a_webhook_config_is_taken_as_it_stands() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"webhook_config":{"url":"https://a.example.com"}}"#).unwrap();
        check(
            &["create", "--file", file.path().to_str().unwrap()],
            r#"POST /api/v1/destinations {"webhook_config":{"url":"https://a.example.com"}}"#,
        );
    }
}
