//! `bugle integration`: inbound sources.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Column, PageArgs, Plan, View, carry_out, fields, id, read_input, read_object, setting};
use crate::{
    Context, Usage,
    cli::{ClientArgs, SecretArgs},
    sample::Phase,
};

/// The arguments of `bugle integration`.
#[derive(Debug, Args)]
pub struct IntegrationArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: IntegrationVerb,
}

#[derive(Debug, Subcommand)]
enum IntegrationVerb {
    /// List integrations
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one, all of it
    Get {
        /// The integration
        #[arg(value_parser = id)]
        id: String,
    },
    /// Make one; the answer says which URL to give to the sender
    Create {
        /// The platform that sends
        #[arg(value_parser = crate::cli::platforms(), hide_possible_values = true)]
        platform: String,
        #[command(flatten)]
        secret: SecretArgs,
        #[command(flatten)]
        changes: Changes,
        /// A JSON file with the API's fields; flags win over it
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Change one; what is not given stays
    Update {
        /// The integration
        #[arg(value_parser = id)]
        id: String,
        #[command(flatten)]
        changes: Changes,
        /// Take calls again
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Take no calls for now
        #[arg(long)]
        disable: bool,
        /// Take its limit away
        #[arg(long, conflicts_with = "rate_limit")]
        no_rate_limit: bool,
        /// Take calls from every address
        #[arg(long, conflicts_with = "allowed_ip")]
        any_ip: bool,
    },
    /// Delete one; its receipts and incidents stay
    Delete {
        /// The integration
        #[arg(value_parser = id)]
        id: String,
    },
    /// Add a secret, and let the old ones end after a while
    #[command(visible_alias = "rotate")]
    Secret {
        /// The integration
        #[arg(value_parser = id)]
        id: String,
        #[command(flatten)]
        secret: SecretArgs,
        /// For how long the old secrets still hold, in seconds; a day without it
        #[arg(long, value_name = "SECONDS")]
        overlap_seconds: Option<u64>,
    },
    /// End one secret at once; the last one stays
    RemoveSecret {
        /// The integration
        #[arg(value_parser = id)]
        id: String,
        /// The secret's id, as `bugle integration get` shows it
        #[arg(value_parser = id)]
        secret_id: String,
    },
    /// Send one a call as its platform would, signed with its own secret; or see how it would read a body
    Test {
        /// The integration
        #[arg(value_parser = id)]
        id: String,
        /// Which call of an alert's life
        #[arg(long, value_enum, conflicts_with = "sample")]
        event: Option<Phase>,
        /// A file with a body to read without keeping anything; - for standard input
        #[arg(long, value_name = "FILE")]
        sample: Option<PathBuf>,
    },
}

/// What of an integration can be set and changed.
#[derive(Debug, Default, Args)]
struct Changes {
    /// What to call it
    #[arg(long)]
    name: Option<String>,
    /// An address or range that calls may come from; repeat for more
    #[arg(long, value_name = "CIDR")]
    allowed_ip: Vec<String>,
    /// How many calls to take, such as 100/minute
    #[arg(long, value_name = "N/PERIOD")]
    rate_limit: Option<String>,
    /// A setting of the platform; repeat for more. On update all settings are replaced
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    setting: Vec<(String, Value)>,
}

impl Changes {
    fn into_fields(self) -> Map<String, Value> {
        let settings = (!self.setting.is_empty()).then(|| Value::Object(self.setting.into_iter().collect()));
        fields([
            ("name", self.name.map(Value::from)),
            ("allowed_ips", (!self.allowed_ip.is_empty()).then(|| self.allowed_ip.into())),
            ("rate_limit", self.rate_limit.map(Value::from)),
            ("settings", settings),
        ])
    }
}

const LIST: &[Column] = &[
    Column::text("ID", "/id"),
    Column::text("PLATFORM", "/platform"),
    Column::text("NAME", "/name"),
    Column::made("STATE", state),
    Column::made("SENDER", sender),
    Column::text("LIMIT", "/rate_limit"),
    Column::time("CREATED", "/created_at"),
];

fn state(row: &Value) -> String {
    match row.get("enabled").and_then(Value::as_bool) {
        Some(false) => "disabled".into(),
        _ => "enabled".into(),
    }
}

/// Whether its calls are proven.
fn sender(row: &Value) -> String {
    match row.get("secrets").and_then(Value::as_array).map(Vec::len) {
        Some(0) => "UNVERIFIED (no secret)".into(),
        Some(1) => "proven".into(),
        Some(n) => format!("proven ({n} secrets)"),
        None => String::new(),
    }
}

impl IntegrationArgs {
    /// Asks the hub.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        carry_out(plan(self.verb)?, &self.client, context).await
    }
}

fn plan(verb: IntegrationVerb) -> anyhow::Result<Plan> {
    let at = |id: &str, rest: &str| format!("/api/v1/integrations/{id}{rest}");
    Ok(match verb {
        IntegrationVerb::List { page } => Plan::get(page.path("/api/v1/integrations", &[]), View::List(LIST)),
        IntegrationVerb::Get { id } => Plan::get(at(&id, ""), View::Tree),
        IntegrationVerb::Create { platform, secret, changes, file } => {
            let mut body = file.as_deref().map(read_object).transpose()?.unwrap_or_default();
            body.insert("platform".into(), platform.into());
            body.extend(changes.into_fields());
            if let Some(secret) = secret.given()? {
                body.insert("secret".into(), secret.expose().into());
            }
            let remark = if body.contains_key("secret") {
                "Give the webhook_url and the secret to the sender."
            } else {
                "Give the webhook_url to the sender. UNVERIFIED: without a secret anybody who knows this URL can raise \
                 alerts; add one with `bugle integration secret`."
            };
            Plan::post("/api/v1/integrations", Value::Object(body)).shown(View::Remarked(remark))
        }
        IntegrationVerb::Update { id, changes, enable, disable, no_rate_limit, any_ip } => {
            let mut body = changes.into_fields();
            let mut set = |wanted: bool, name: &str, value: Value| {
                if wanted {
                    body.insert(name.to_owned(), value);
                }
            };
            set(enable || disable, "enabled", enable.into());
            set(no_rate_limit, "rate_limit", Value::Null);
            set(any_ip, "allowed_ips", json!([]));
            if body.is_empty() {
                return Err(Usage("nothing to change: give at least one flag, see --help".into()).into());
            }
            Plan::patch(at(&id, ""), Value::Object(body))
        }
        IntegrationVerb::Delete { id } => {
            let done = format!("Deleted {id}. Its receipts and incidents stay.");
            Plan::delete(at(&id, ""), done)
        }
        IntegrationVerb::Secret { id, secret, overlap_seconds } => {
            let secret = secret.given()?.map(|secret| Value::from(secret.expose()));
            let body = fields([("secret", secret), ("overlap_seconds", overlap_seconds.map(Value::from))]);
            let remark =
                "Set the new secret at the sender; a secret that Bugle made is shown only this once.";
            Plan::post(at(&id, "/secrets"), Value::Object(body)).shown(View::Remarked(remark))
        }
        IntegrationVerb::RemoveSecret { id, secret_id } => {
            let done = format!("Ended secret {secret_id} of {id}.");
            Plan::delete(at(&id, &format!("/secrets/{secret_id}")), done)
        }
        IntegrationVerb::Test { id, event, sample } => {
            let sample = sample.as_deref().map(read_input).transpose()?;
            let sample = sample.map(|bytes| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
            let body = fields([("phase", event.map(|event| event.as_str().into())), ("sample", sample)]);
            Plan::post(at(&id, "/test"), Value::Object(body))
                .failed_when(|answer| answer.get("understood") == Some(&Value::Bool(false)))
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
        args: IntegrationArgs,
    }

    fn check(line: &str, expected: &str) {
        let words = std::iter::once("integration").chain(line.split(' '));
        let args = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}")).args;
        let shown = match plan(args.verb) {
            Ok(plan) => {
                let body = plan.body.map_or_else(String::new, |body| format!(" {body}"));
                format!("{} {}{body}", plan.method, plan.path)
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn each_verb_is_the_call_of_the_api() {
        check("list", "GET /api/v1/integrations");
        check(
            "create grafana --name Ops --rate-limit 100/minute --allowed-ip 10.0.0.0/8 --setting resolve=person",
            concat!(
                r#"POST /api/v1/integrations {"platform":"grafana","name":"Ops","allowed_ips":["10.0.0.0/8"],"#,
                r#""rate_limit":"100/minute","settings":{"resolve":"person"}}"#
            ),
        );
        check(
            "create grafana --secret s3cret",
            r#"POST /api/v1/integrations {"platform":"grafana","secret":"s3cret"}"#,
        );
        check("update int_1 --disable", r#"PATCH /api/v1/integrations/int_1 {"enabled":false}"#);
        check("update int_1 --no-rate-limit", r#"PATCH /api/v1/integrations/int_1 {"rate_limit":null}"#);
        check("update int_1", "nothing to change: give at least one flag, see --help");
        check("secret int_1", "POST /api/v1/integrations/int_1/secrets {}");
        check(
            "rotate int_1 --secret n3w --overlap-seconds 60",
            r#"POST /api/v1/integrations/int_1/secrets {"secret":"n3w","overlap_seconds":60}"#,
        );
        check("remove-secret int_1 sec_1", "DELETE /api/v1/integrations/int_1/secrets/sec_1");
        check("test int_1", "POST /api/v1/integrations/int_1/test {}");
        check("test int_1 --event resolved", r#"POST /api/v1/integrations/int_1/test {"phase":"resolved"}"#);
        check("delete int_1", "DELETE /api/v1/integrations/int_1");
    }

    #[test]
    fn an_integration_without_a_secret_is_said_to_be_unverified() {
        assert_eq!(sender(&json!({"secrets": []})), "UNVERIFIED (no secret)");
        assert_eq!(sender(&json!({"secrets": [{}, {}]})), "proven (2 secrets)");
    }
}
