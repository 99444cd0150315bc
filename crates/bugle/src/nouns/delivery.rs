//! `bugle delivery`: events on their way to destinations.

use bugle_model::DeliveryState;
use clap::{Args, Subcommand, builder::PossibleValuesParser};

use super::{Column, PageArgs, Plan, View, carry_out, id};
use crate::{Context, cli::ClientArgs};

/// The arguments of `bugle delivery`.
#[derive(Debug, Args)]
pub struct DeliveryArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: DeliveryVerb,
}

#[derive(Debug, Subcommand)]
enum DeliveryVerb {
    /// List deliveries, newest first
    List {
        /// Only those to this destination
        #[arg(long, value_name = "ID", value_parser = id)]
        destination: Option<String>,
        /// Only those of this incident
        #[arg(long, value_name = "ID", value_parser = id)]
        incident: Option<String>,
        /// Only those in this state
        #[arg(long, value_parser = PossibleValuesParser::new(DeliveryState::ALL.map(DeliveryState::as_str)))]
        state: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one with every attempt: request, response and timing
    Get {
        /// The delivery
        #[arg(value_parser = id)]
        id: String,
    },
    /// Send one again, with a fresh retry budget
    Redeliver {
        /// The delivery
        #[arg(value_parser = id)]
        id: String,
    },
}

/// The columns of a list of deliveries.
pub const LIST: &[Column] = &[
    Column::text("ID", "/id"),
    Column::text("STATE", "/state"),
    Column::text("DESTINATION", "/destination_id"),
    Column::text("INCIDENT", "/incident_id"),
    Column::text("#", "/sequence"),
    Column::text("ATTEMPTS", "/attempts"),
    Column::time("NEXT", "/next_attempt_at"),
    Column::time("CREATED", "/created_at"),
    Column::text("REASON", "/reason"),
];

impl DeliveryArgs {
    /// Asks the hub.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        carry_out(plan(self.verb), &self.client, context).await
    }
}

fn plan(verb: DeliveryVerb) -> Plan {
    match verb {
        DeliveryVerb::List { destination, incident, state, page } => {
            let filters = [
                ("destination_id", destination.as_deref()),
                ("incident_id", incident.as_deref()),
                ("state", state.as_deref()),
            ];
            Plan::get(page.path("/api/v1/deliveries", &filters), View::List(LIST))
        }
        DeliveryVerb::Get { id } => Plan::get(format!("/api/v1/deliveries/{id}"), View::Tree),
        DeliveryVerb::Redeliver { id } => Plan::post(format!("/api/v1/deliveries/{id}/redeliver"), None),
    }
}
