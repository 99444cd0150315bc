//! `bugle receipt`: inbound calls as they came.

use bugle_model::ReceiptState;
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::Value;

use super::{Column, PageArgs, Plan, View, carry_out, id};
use crate::{Context, cli::ClientArgs};

/// The arguments of `bugle receipt`.
#[derive(Debug, Args)]
pub struct ReceiptArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: ReceiptVerb,
}

#[derive(Debug, Subcommand)]
enum ReceiptVerb {
    /// List receipts, newest first
    List {
        /// Only those of this integration
        #[arg(long, value_name = "ID", value_parser = id)]
        integration: Option<String>,
        /// Only those in this state; `rejected` and `undecodable` are the quarantine
        #[arg(long, value_parser = PossibleValuesParser::new(ReceiptState::ALL.map(ReceiptState::as_str)))]
        state: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one as it came, and what it did
    Get {
        /// The receipt
        #[arg(value_parser = id)]
        id: String,
    },
    /// Put one through the pipeline again, after its mapping was mended
    Replay {
        /// The receipt
        #[arg(value_parser = id)]
        id: String,
    },
    /// Verify one again, after the secret was mended, and put it through the pipeline when it holds
    Reverify {
        /// The receipt
        #[arg(value_parser = id)]
        id: String,
    },
}

const LIST: &[Column] = &[
    Column::text("ID", "/id"),
    Column::text("STATE", "/state"),
    Column::made("SENDER", sender),
    Column::text("INTEGRATION", "/integration_id"),
    Column::text("FROM", "/remote_ip"),
    Column::time("RECEIVED", "/received_at"),
    Column::text("PROBLEM", "/problem"),
];

/// Whether the sender was proven, and if not, why.
fn sender(row: &Value) -> String {
    let verification = row.get("verification").unwrap_or(&Value::Null);
    let verdict = verification.get("verdict").or(Some(verification)).and_then(Value::as_str);
    match verdict {
        Some("verified") => "verified".into(),
        Some("unverified") => "UNVERIFIED".into(),
        Some("failed") => {
            let reason = verification.get("reason").and_then(Value::as_str).unwrap_or("not proven");
            format!("FAILED {reason}")
        }
        other => other.unwrap_or_default().to_owned(),
    }
}

impl ReceiptArgs {
    /// Asks the hub.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        carry_out(plan(self.verb), &self.client, context).await
    }
}

fn plan(verb: ReceiptVerb) -> Plan {
    let at = |id: &str, rest: &str| format!("/api/v1/receipts/{id}{rest}");
    match verb {
        ReceiptVerb::List { integration, state, page } => {
            let filters = [("integration_id", integration.as_deref()), ("state", state.as_deref())];
            Plan::get(page.path("/api/v1/receipts", &filters), View::List(LIST))
        }
        ReceiptVerb::Get { id } => Plan::get(at(&id, ""), View::Tree),
        ReceiptVerb::Replay { id } => Plan::post(at(&id, "/replay"), None),
        ReceiptVerb::Reverify { id } => Plan::post(at(&id, "/reverify"), None).failed_when(|receipt| {
            let verdict =
                ["/verification/verdict", "/verdict"].iter().find_map(|pointer| receipt.pointer(pointer));
            verdict.and_then(Value::as_str) == Some("failed")
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_verdict_on_a_sender_is_one_word_and_its_reason() {
        for (verification, expected) in [
            (json!({"verdict": "verified", "scheme": "X-Signature"}), "verified"),
            (json!({"verdict": "unverified"}), "UNVERIFIED"),
            (json!({"verdict": "failed", "reason": "signature_mismatch"}), "FAILED signature_mismatch"),
            (json!("unverified"), "UNVERIFIED"),
        ] {
            assert_eq!(sender(&json!({"verification": verification})), expected);
        }
    }
}
