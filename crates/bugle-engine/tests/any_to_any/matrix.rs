//! Every event of every source in every dialect.
//!
//! A snapshot tells, for each dialect and each source's fixtures, what of the body each event changed from the one before of
//! the same incident: whole bodies would be megabytes that nobody reads. The samples' bodies are checked all the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use bugle_model::{Event, EventKind, limits};
use bugle_platforms::{
    Dialect, Notice, Outbound,
    dialect::Wishes,
    table::{DIALECTS, SOURCES},
};
use serde_json::{Map, Value, json};

use crate::stories;

/// Where people see incidents.
pub(crate) const INCIDENT_URL: &str = "https://bugle.example.net/incidents/inc_1";

/// A key of Standard Webhooks, which serves every scheme.
const SECRET: &str = "whsec_YnVnbGUtdGVzdC1rZXktb2YtMzItYnl0ZXMtbG9uZyE=";

/// What a receiver cannot do without: never absent, null or empty.
const NEEDED: &[(&str, &[&str])] = &[
    (
        "anomify",
        &["/data/anomaly/id", "/data/anomaly/metric", "/data/anomaly/timestamp", "/data/anomaly/value"],
    ),
    (
        "arcgis_monitor",
        &[
            "/info/id",
            "/info/monitor_url",
            "/info/sent_at",
            "/info/trace_id",
            "/events/0/operation",
            "/events/0/resource",
            "/events/0/occurred_at",
            "/events/0/attributes/id",
            "/events/0/attributes/state",
            "/events/0/attributes/status",
        ],
    ),
    ("metaplane", &["/id", "/createdAt", "/updatedAt", "/idempotencyId", "/status", "/incidentUrl"]),
    (
        "montecarlo",
        &[
            "/account/id",
            "/action",
            "/payload/incident_id",
            "/payload/url",
            "/payload/event_list/0",
            "/type",
            "/version",
        ],
    ),
    ("overwatch", &["/incident_id", "/title", "/severity", "/status"]),
    ("standard-webhooks", &["/type", "/timestamp", "/data/incident/id", "/data/incident/status"]),
    ("template", &["/event", "/incident_id", "/status"]),
];

/// The body that a destination without settings of its own gets; `None` where the dialect has no word for the event.
pub(crate) fn render(dialect: &dyn Dialect, event: &Event) -> Option<Outbound> {
    let template =
        json!({"event": "{{event.type}}", "incident_id": "{{incident.id}}", "status": "{{incident.status}}"});
    let (headers, settings) = (BTreeMap::new(), Map::new());
    let wishes = Wishes {
        template: (dialect.slug() == "template").then_some(&template),
        headers: &headers,
        settings: &settings,
        secret: Some(SECRET),
    };
    assert_eq!(dialect.check(&wishes), Ok(()), "{}", dialect.slug());
    let notice = Notice { event, incident_url: Some(INCIDENT_URL), documents: None };
    let render =
        || dialect.render(&notice, &wishes).unwrap_or_else(|error| panic!("{}: {error}", dialect.slug()));
    let rendered = render();
    assert_eq!(rendered, render(), "{}: another attempt has another body", dialect.slug());
    rendered
}

fn check_body(dialect: &dyn Dialect, outbound: &Outbound) -> Value {
    let slug = dialect.slug();
    assert!(outbound.body.len() <= limits::BODY_BYTES_MAX, "{slug}: {} bytes", outbound.body.len());
    assert!(
        outbound.headers.iter().any(|header| *header == ("content-type".into(), "application/json".into()))
    );
    let body: Value =
        serde_json::from_slice(&outbound.body).unwrap_or_else(|error| panic!("{slug}: {error}"));
    let needed = NEEDED.iter().find(|(known, _)| *known == slug);
    let (_, needed) = needed.unwrap_or_else(|| panic!("what does a receiver of {slug} need?"));
    for pointer in *needed {
        let given =
            body.pointer(pointer).is_some_and(|value| !value.is_null() && value != "" && *value != json!({}));
        assert!(given, "{slug}: {pointer} is missing in {body}");
    }
    body
}

/// Every value that has no members, by its path.
fn leaves(path: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        // The alert as the API has it, which Bugle's own dialect holds whole.
        Value::Object(_) if path == "data.alert" => {}
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, value)| leaves(&inner(name), value, found));
        }
        Value::Array(items) if !items.is_empty() => {
            items
                .iter()
                .enumerate()
                .for_each(|(place, value)| leaves(&inner(&place.to_string()), value, found));
        }
        value => {
            found.insert(path.to_owned(), value.to_string());
        }
    }
}

fn write_changes(text: &mut String, before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) {
    let paths: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    for path in paths {
        match (before.get(path), now.get(path)) {
            (Some(from), Some(to)) if from == to => {}
            (_, Some(to)) => writeln!(text, "  {path} = {to}").unwrap(),
            (_, None) => writeln!(text, "  {path} is gone").unwrap(),
        }
    }
}

#[test]
fn every_event_of_every_source_leaves_in_every_dialect() {
    let stories = stories::all();
    assert_eq!(stories.len(), 2 * SOURCES.len());
    let kinds: BTreeSet<EventKind> =
        stories.iter().flat_map(|story| &story.events).map(|event| event.kind).collect();
    assert_eq!(kinds.len(), EventKind::ALL.len(), "only {kinds:?} happened");
    for dialect in DIALECTS {
        let mut text = String::new();
        for story in &stories {
            for (_, events) in stories::by_incident(story) {
                let shown = if story.name.ends_with("fixture") { &mut text } else { &mut String::new() };
                writeln!(shown, "== {}", story.name).unwrap();
                let mut before = BTreeMap::new();
                for event in events {
                    let Some(outbound) = render(*dialect, event) else {
                        writeln!(shown, "{}: no word", event.kind.as_str()).unwrap();
                        continue;
                    };
                    let mut now = BTreeMap::new();
                    leaves("", &check_body(*dialect, &outbound), &mut now);
                    writeln!(shown, "{}", event.kind.as_str()).unwrap();
                    write_changes(shown, &before, &now);
                    before = now;
                }
            }
        }
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!(dialect.slug(), text);
        });
    }
}
