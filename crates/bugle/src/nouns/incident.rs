//! `bugle incident`: look at incidents and act on them.

use bugle_model::{IncidentStatus, Severity, incident::DeclaredSeverity};
use bugle_platforms::table;
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::{Value, json};

use super::{Column, PageArgs, Plan, View, carry_out, id};
use crate::{Context, cli::ClientArgs};

/// The arguments of `bugle incident`.
#[derive(Debug, Args)]
pub struct IncidentArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: IncidentVerb,
}

#[derive(Debug, Subcommand)]
enum IncidentVerb {
    /// List incidents, newest first
    List {
        /// Only these statuses
        #[arg(long, value_delimiter = ',', value_parser = statuses())]
        status: Vec<String>,
        /// Only this severity
        #[arg(long, value_parser = PossibleValuesParser::new(Severity::ALL.map(Severity::as_str)))]
        severity: Option<String>,
        /// Only those of this owner; '' for those that nobody owns
        #[arg(long)]
        owner: Option<String>,
        /// Only those of this platform
        #[arg(long, value_parser = platforms(), hide_possible_values = true)]
        platform: Option<String>,
        /// Only those with these words in title, host, service or labels: `disk full`, `host-17`, `env=prod`, `pay*`
        #[arg(long, short, value_name = "WORDS")]
        q: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one, all of it
    Get {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
    },
    /// Show what happened to it, in order
    Timeline {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// List its alerts
    Alerts {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// List its deliveries
    Deliveries {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Say that you have it
    #[command(visible_alias = "acknowledge")]
    Ack {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
    },
    /// Give it a status
    Status {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
        /// The status
        #[arg(value_parser = statuses())]
        status: String,
    },
    /// Give it an owner, or take the owner away
    Owner {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
        /// The owner's e-mail address
        #[arg(required_unless_present = "none")]
        email: Option<String>,
        /// Take the owner away
        #[arg(long, conflicts_with = "email")]
        none: bool,
    },
    /// Note a ticket in another system
    Ticket {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
        /// The other system, such as jira
        system: String,
        /// The ticket's key there, such as OPS-123
        key: String,
        /// The ticket's page
        url: String,
    },
    /// Declare how severe it is, or take that back
    Severity {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
        /// The severity
        #[arg(required_unless_present = "clear", ignore_case = true, value_parser = declared())]
        severity: Option<String>,
        /// Take it back
        #[arg(long, conflicts_with = "severity")]
        clear: bool,
    },
    /// End it
    Resolve {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
        /// How it ended
        #[arg(default_value = "fixed", value_parser = resolutions())]
        resolution: String,
        /// What to write on its timeline
        #[arg(long, short = 'm')]
        comment: Option<String>,
    },
    /// Write something on its timeline
    Comment {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
        /// What to write
        text: String,
    },
    /// Say that it is not over after all
    Reopen {
        /// The incident
        #[arg(value_parser = id)]
        id: String,
    },
}

/// All whose incidents there are, Bugle's own among them.
fn platforms() -> PossibleValuesParser {
    PossibleValuesParser::new(table::SOURCES.iter().chain(table::BUILT_IN).map(|source| source.slug()))
}

fn statuses() -> PossibleValuesParser {
    PossibleValuesParser::new(IncidentStatus::ALL.map(IncidentStatus::as_str))
}

fn resolutions() -> PossibleValuesParser {
    let resolutions = IncidentStatus::ALL.into_iter().filter(|status| status.is_resolved());
    PossibleValuesParser::new(resolutions.map(IncidentStatus::as_str))
}

fn declared() -> PossibleValuesParser {
    PossibleValuesParser::new(DeclaredSeverity::ALL.map(DeclaredSeverity::as_str))
}

const LIST: &[Column] = &[
    Column::text("ID", "/id"),
    Column::text("STATUS", "/status"),
    Column::text("SEVERITY", "/severity"),
    Column::text("TITLE", "/title"),
    Column::text("PLATFORM", "/platform"),
    Column::made("SENDER", sender),
    Column::text("OWNER", "/owner"),
    Column::time("UPDATED", "/updated_at"),
];

const TIMELINE: &[Column] = &[
    Column::text("#", "/sequence"),
    Column::time("AT", "/at"),
    Column::made("EVENT", event),
    Column::made("BY", actor),
    Column::made("CHANGE", change),
];

const ALERTS: &[Column] = &[
    Column::text("ID", "/id"),
    Column::text("STATUS", "/status"),
    Column::text("SEVERITY", "/severity"),
    Column::text("TITLE", "/signal/title"),
    Column::text("FINGERPRINT", "/fingerprint"),
    Column::text("CYCLE", "/cycle"),
    Column::time("LAST SEEN", "/last_seen_at"),
];

/// Whether every sender of an incident was proven.
fn sender(row: &Value) -> String {
    match row.get("verified").and_then(Value::as_bool) {
        Some(true) => "verified".into(),
        Some(false) => "UNVERIFIED".into(),
        None => String::new(),
    }
}

fn event(row: &Value) -> String {
    let name = row.get("kind").or_else(|| row.get("type")).and_then(Value::as_str).unwrap_or_default();
    name.strip_prefix("incident.").unwrap_or(name).to_owned()
}

fn actor(row: &Value) -> String {
    let text = |pointer| row.pointer(pointer).and_then(Value::as_str);
    match text("/actor/type") {
        Some("source") => "source".to_owned(),
        Some("timeout") => "timeout".to_owned(),
        Some(kind) => {
            let who = text("/actor/name").or_else(|| text("/actor/email")).unwrap_or_default();
            format!("{kind} {who}").trim().to_owned()
        }
        None => String::new(),
    }
}

fn change(row: &Value) -> String {
    let changes = row.get("changes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let word = |value: Option<&Value>| match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let parts = changes.iter().map(|change| {
        let field = change.get("field").and_then(Value::as_str).unwrap_or_default();
        format!("{field}: {} -> {}", word(change.get("from")), word(change.get("to")))
    });
    let comment = row.get("comment").and_then(Value::as_str).map(|text| format!("\"{text}\""));
    parts.chain(comment).collect::<Vec<_>>().join("; ")
}

impl IncidentArgs {
    /// Asks the hub.
    pub async fn run(self, context: &Context) -> anyhow::Result<()> {
        carry_out(plan(self.verb), &self.client, context).await
    }
}

fn plan(verb: IncidentVerb) -> Plan {
    let at = |id: &str, rest: &str| format!("/api/v1/incidents/{id}{rest}");
    match verb {
        IncidentVerb::List { status, severity, owner, platform, q, page } => {
            let status = (!status.is_empty()).then(|| status.join(","));
            let filters = [
                ("status", status.as_deref()),
                ("severity", severity.as_deref()),
                ("owner", owner.as_deref()),
                ("platform", platform.as_deref()),
                ("q", q.as_deref()),
            ];
            Plan::get(page.path("/api/v1/incidents", &filters), View::List(LIST))
        }
        IncidentVerb::Get { id } => Plan::get(at(&id, ""), View::Tree),
        IncidentVerb::Timeline { id, page } => {
            Plan::get(page.path(&at(&id, "/timeline"), &[]), View::List(TIMELINE))
        }
        IncidentVerb::Alerts { id, page } => {
            Plan::get(page.path(&at(&id, "/alerts"), &[]), View::List(ALERTS))
        }
        IncidentVerb::Deliveries { id, page } => {
            Plan::get(page.path(&at(&id, "/deliveries"), &[]), View::List(super::delivery::LIST))
        }
        IncidentVerb::Ack { id } => Plan::post(at(&id, "/acknowledge"), None),
        IncidentVerb::Status { id, status } => Plan::post(at(&id, "/status"), json!({"status": status})),
        IncidentVerb::Owner { id, email, .. } => Plan::post(at(&id, "/owner"), json!({"owner": email})),
        IncidentVerb::Ticket { id, system, key, url } => {
            Plan::post(at(&id, "/tickets"), json!({"system": system, "key": key, "url": url}))
        }
        IncidentVerb::Severity { id, severity: Some(severity), .. } => {
            Plan::post(at(&id, "/severity"), json!({"severity": severity.to_ascii_uppercase()}))
        }
        IncidentVerb::Severity { id, .. } => {
            Plan { method: http::Method::DELETE, ..Plan::post(at(&id, "/severity"), None) }
        }
        IncidentVerb::Resolve { id, resolution, comment } => {
            let mut body = json!({"resolution": resolution});
            if let (Some(comment), Some(fields)) = (comment, body.as_object_mut()) {
                fields.insert("comment".into(), comment.into());
            }
            Plan::post(at(&id, "/resolve"), body)
        }
        IncidentVerb::Comment { id, text } => Plan::post(at(&id, "/comments"), json!({"comment": text})),
        IncidentVerb::Reopen { id } => Plan::post(at(&id, "/reopen"), None),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: IncidentArgs,
    }

    fn check(line: &str, expected: &str) {
        let words = std::iter::once("incident").chain(line.split(' '));
        let plan =
            plan(Line::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}")).args.verb);
        let body = plan.body.map_or_else(String::new, |body| format!(" {body}"));
        assert_eq!(format!("{} {}{body}", plan.method, plan.path), expected);
    }

    #[test]
    fn each_verb_is_the_call_of_the_api() {
        check("list", "GET /api/v1/incidents");
        check(
            "list --status open,fixed --owner= -q disk",
            "GET /api/v1/incidents?status=open%2Cfixed&owner=&q=disk",
        );
        check("get inc_1", "GET /api/v1/incidents/inc_1");
        check("timeline inc_1 --limit 3", "GET /api/v1/incidents/inc_1/timeline?limit=3");
        check("alerts inc_1", "GET /api/v1/incidents/inc_1/alerts");
        check("deliveries inc_1", "GET /api/v1/incidents/inc_1/deliveries");
        check("ack inc_1", "POST /api/v1/incidents/inc_1/acknowledge");
        check("status inc_1 expected", r#"POST /api/v1/incidents/inc_1/status {"status":"expected"}"#);
        check(
            "owner inc_1 ada@example.com",
            r#"POST /api/v1/incidents/inc_1/owner {"owner":"ada@example.com"}"#,
        );
        check("owner inc_1 --none", r#"POST /api/v1/incidents/inc_1/owner {"owner":null}"#);
        check("severity inc_1 sev-2", r#"POST /api/v1/incidents/inc_1/severity {"severity":"SEV-2"}"#);
        check("severity inc_1 --clear", "DELETE /api/v1/incidents/inc_1/severity");
        check("resolve inc_1", r#"POST /api/v1/incidents/inc_1/resolve {"resolution":"fixed"}"#);
        check(
            "resolve inc_1 expected -m planned",
            r#"POST /api/v1/incidents/inc_1/resolve {"resolution":"expected","comment":"planned"}"#,
        );
        check("comment inc_1 looking", r#"POST /api/v1/incidents/inc_1/comments {"comment":"looking"}"#);
        check("reopen inc_1", "POST /api/v1/incidents/inc_1/reopen");
        check(
            "ticket inc_1 jira OPS-1 https://jira.example.com/OPS-1",
            r#"POST /api/v1/incidents/inc_1/tickets {"system":"jira","key":"OPS-1","url":"https://jira.example.com/OPS-1"}"#,
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_the_hub_is_asked() {
        for line in [
            "status inc_1 broken",
            "owner inc_1",
            "severity inc_1",
            "severity inc_1 SEV-9",
            "resolve inc_1 open",
        ] {
            let words = std::iter::once("incident").chain(line.split(' '));
            assert!(Line::try_parse_from(words).is_err(), "{line}");
        }
    }

    #[test]
    fn an_unproven_sender_is_said_aloud() {
        assert_eq!(sender(&json!({"verified": false})), "UNVERIFIED");
        assert_eq!(sender(&json!({"verified": true})), "verified");
    }

    #[test]
    fn a_change_reads_as_one_line() {
        let row = json!({"changes": [{"field": "owner", "from": null, "to": "ada"}], "comment": "mine"});
        assert_eq!(change(&row), "owner: none -> ada; \"mine\"");
    }
}
