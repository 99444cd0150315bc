use std::collections::{BTreeMap, BTreeSet};

use bugle_model::{
    Actor, Alert, AlertStatus, Event, EventKind, Incident, IncidentStatus, Secret, Severity, Signal,
    SignalStatus, Timestamp, Verification,
    event::FieldChange,
    id::{AlertId, EventId, IncidentId, IntegrationId, SecretId},
    incident::{AlertCounts, DeclaredSeverity, Ticket},
    signal::{Entity, Labels, Link, Measurement, Patch},
};
use serde_json::{Map, Value, json};

use super::{words::*, *};
use crate::{
    dialect::{Dialect, Notice, Outbound, Stamp, Wishes},
    scheme::{Sealer, VerifyContext, verify},
    source::{Inbound, Source},
};

const ORIGINAL: &str = "0f6a3c52-9b1e-4d77-a8c4-5e2d7b90f318";
const SECRET: &str = "uS3lXq-8Jr_ZtPw5VbYc0HnKdFgMaEoT1iR7";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_790_000_000 + seconds)
}

fn incident(platform: &str) -> Incident {
    Incident {
        id: IncidentId::from_i64(77),
        revision: 1,
        sequence: 1,
        status: IncidentStatus::Open,
        severity: Severity::High,
        declared_severity: None,
        title: "Orders arrive late".into(),
        description: None,
        owner: None,
        tickets: Vec::new(),
        platform: platform.into(),
        integration_id: IntegrationId::from_i64(7),
        grouping_key: format!("{}:{ORIGINAL}", IntegrationId::from_i64(7)),
        labels: Labels::new(),
        service: Some("lakehouse:orders".into()),
        host: None,
        entity: Some(Entity { kind: "table".into(), name: "orders".into(), path: None }),
        links: vec![Link {
            label: "alert".into(),
            url: format!("https://getmontecarlo.com/alerts/{ORIGINAL}"),
        }],
        alerts: AlertCounts { total: 1, unresolved: [0, 0, 0, 1, 0] },
        verified: true,
        reopened_count: 0,
        opened_at: at(0),
        started_at: at(0),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        updated_at: at(0),
    }
}

fn event(kind: EventKind, incident: Incident) -> Event {
    Event {
        id: EventId::from_i64(5),
        incident_id: incident.id,
        sequence: 1,
        kind,
        at: at(0),
        actor: Actor::Timeout,
        changes: Vec::new(),
        comment: None,
        alert_id: None,
        alert: None,
        incident,
    }
}

fn with_alert(measurements: Vec<Measurement>, mut event: Event) -> Event {
    let signal = Signal {
        fingerprint: ORIGINAL.into(),
        title: event.incident.title.clone(),
        entity: event.incident.entity.clone(),
        service: event.incident.service.clone(),
        measurements,
        started_at: Some(at(-60)),
        ..Signal::default()
    };
    event.alert = Some(Box::new(Alert {
        id: AlertId::from_i64(6),
        integration_id: IntegrationId::from_i64(7),
        fingerprint: ORIGINAL.into(),
        cycle: 1,
        status: AlertStatus::Firing,
        severity: Severity::High,
        incident_id: Some(event.incident.id),
        signal,
        signals: 1,
        first_seen_at: at(0),
        last_seen_at: at(0),
    }));
    event
}

fn measurement(value: &str, operator: &str, threshold: &str) -> Measurement {
    Measurement {
        metric: "delay_minutes".into(),
        value: Some(value.into()),
        operator: Some(operator.into()),
        threshold: Some(threshold.into()),
        ..Measurement::default()
    }
}

fn render(event: &Event) -> Option<Outbound> {
    let (headers, settings) = (BTreeMap::new(), Map::new());
    let wishes = Wishes { template: None, headers: &headers, settings: &settings, secret: Some(SECRET) };
    MonteCarloDialect.check(&wishes).unwrap();
    let notice =
        Notice { event, incident_url: Some("https://bugle.example.net/incidents/77"), documents: None };
    MonteCarloDialect.render(&notice, &wishes).unwrap()
}

fn body(event: &Event) -> Value {
    serde_json::from_slice(&render(event).unwrap().body).unwrap()
}

fn read(body: &Value) -> Signal {
    let body = body.to_string();
    let inbound = Inbound { query: "", headers: &[], body: body.as_bytes() };
    MonteCarlo.decode(&inbound, &Map::new()).unwrap().signals.remove(0)
}

#[test]
fn each_event_tells_what_its_row_of_the_table_says() {
    use EventKind as E;
    let base = || incident("datadog");
    let status = |status| Incident { status, ..base() };
    let severe = |status| Incident { declared_severity: Some(DeclaredSeverity::Sev3), status, ..base() };
    let owned = Incident { owner: Some("noor@example.net".into()), ..base() };
    for (kind, incident, expected) in [
        (E::Created, base(), json!({"alert_feedback": null, "declared_alert_severity": null})),
        (E::Acknowledged, status(IncidentStatus::Acknowledged), json!({"alert_feedback": "investigating"})),
        (
            E::StatusChanged,
            status(IncidentStatus::WorkInProgress),
            json!({"alert_feedback": "work_in_progress"}),
        ),
        (E::StatusChanged, status(IncidentStatus::Open), json!({"alert_feedback": "no_status"})),
        (
            E::StatusChanged,
            status(IncidentStatus::FalsePositive),
            json!({"alert_feedback": "false_positive"}),
        ),
        (E::Reopened, status(IncidentStatus::Open), json!({"alert_feedback": "no_status"})),
        (E::OwnerChanged, owned, json!({"owner": "noor@example.net"})),
        (E::OwnerChanged, base(), json!({"owner": null})),
        (E::TicketAttached, base(), json!({})),
        (
            E::SeverityDeclared,
            severe(IncidentStatus::Open),
            json!({"alert_feedback": "investigating", "declared_alert_severity": "SEV-3"}),
        ),
        (
            E::SeverityDeclared,
            severe(IncidentStatus::WorkInProgress),
            json!({"declared_alert_severity": "SEV-3"}),
        ),
        (E::SeverityCleared, base(), json!({"declared_alert_severity": null})),
        (E::Resolved, status(IncidentStatus::Expected), json!({"alert_feedback": "expected"})),
    ] {
        let mut told = body(&event(kind, incident));
        let fields = told.as_object_mut().unwrap();
        fields
            .retain(|name, _| !["account", "action", "payload", "type", "version"].contains(&name.as_str()));
        assert_eq!(told, expected, "{kind:?}");
    }
    for kind in [E::Updated, E::Commented] {
        assert!(render(&event(kind, base())).is_none(), "{kind:?}");
    }
}

#[test]
fn a_declaration_that_acknowledged_says_so() {
    let mut declared = event(
        EventKind::SeverityDeclared,
        Incident {
            status: IncidentStatus::Acknowledged,
            declared_severity: Some(DeclaredSeverity::Sev1),
            ..incident("datadog")
        },
    );
    assert_eq!(body(&declared).get("alert_feedback"), None);
    declared.changes.push(FieldChange {
        field: "status".into(),
        from: "open".into(),
        to: "acknowledged".into(),
    });
    assert_eq!(body(&declared)["alert_feedback"], "investigating");
}

#[test]
fn rules_and_anomalies_have_a_payload_each() {
    let created = || event(EventKind::Created, incident("datadog"));
    let rule = body(&with_alert(vec![measurement("61.50", "above", "45")], created()));
    let uuid = rule["payload"]["event_list"][0]["rule"]["uuid"].as_str().unwrap().to_owned();
    assert_eq!(
        rule["payload"]["event_list"],
        json!([{
            "data": {
                "hits": [{"field": null, "measurement_timestamp": "Sep 21, 02:12PM", "timestamp": "", "value": "61.50", "value_rounded": "62"}],
                "metric_display_name": "delay_minutes",
                "rule_comparisons": [{"metric": "delay_minutes", "operator": ">", "threshold": "45"}],
            },
            "rule": {
                "comparisons": [{"field": null, "full_table_id": null, "metric": "delay_minutes", "operator": "GT", "threshold": 45, "warehouse_uuid": null}],
                "creator_id": null,
                "description": "Orders arrive late",
                "execution_time": null,
                "prev_execution_time": null,
                "rule_type": "custom_sql",
                "start_time": null,
                "timezone": null,
                "uuid": uuid,
            },
            "table_name": "orders",
        }])
    );
    assert_eq!((&rule["type"], &rule["version"]), (&json!(TYPE_RULE), &json!("v0.1")));
    let unruled = Measurement { metric: "rows".into(), value: Some("3".into()), ..Measurement::default() };
    for anomaly in [created(), with_alert(Vec::new(), created()), with_alert(vec![unruled], created())] {
        let anomaly = body(&anomaly);
        let listed = json!([{"event_details": "Orders arrive late", "table_name": "orders"}]);
        assert_eq!(anomaly["payload"]["event_list"], listed);
        assert_eq!(anomaly["type"], TYPE_ANOMALY);
    }
}

#[test]
fn ids_and_addresses_are_the_vendors_own_where_it_comes_from_there() {
    let id =
        |platform| body(&event(EventKind::Created, incident(platform)))["payload"]["incident_id"].clone();
    let url = |platform| body(&event(EventKind::Created, incident(platform)))["payload"]["url"].clone();
    assert_eq!(id("montecarlo"), ORIGINAL);
    assert_eq!(url("montecarlo"), format!("https://getmontecarlo.com/alerts/{ORIGINAL}"));
    let made = id("datadog");
    let groups: Vec<usize> = made.as_str().unwrap().split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{made}");
    assert_eq!(made, body(&event(EventKind::Resolved, incident("datadog")))["payload"]["incident_id"]);
    assert_eq!(url("datadog"), "https://bugle.example.net/incidents/77");
}

#[test]
fn what_is_rendered_is_read_back() {
    for platform in ["montecarlo", "datadog"] {
        let mut ids = BTreeSet::new();
        for status in IncidentStatus::ALL {
            for measurements in
                [Vec::new(), vec![measurement("7.0", ">", "5.5"), measurement("-1e-7", "<", "0")]]
            {
                let kind = if status.is_resolved() { EventKind::Resolved } else { EventKind::StatusChanged };
                let told =
                    with_alert(measurements.clone(), event(kind, Incident { status, ..incident(platform) }));
                let signal = read(&body(&told));
                let expected =
                    if status == IncidentStatus::Open { Patch::Cleared } else { Patch::Set(status) };
                assert_eq!(signal.source.feedback, expected);
                assert_eq!(signal.status, Feedback::read(feedback(status)).signal_status());
                assert_eq!(
                    (signal.source.owner, signal.source.declared_severity),
                    (Patch::Unchanged, Patch::Unchanged)
                );
                assert_eq!(signal.measurements, measurements);
                assert_eq!(signal.service.as_deref(), Some("lakehouse:orders"));
                assert_eq!(signal.entity.unwrap().name, "orders");
                assert!(signal.title.ends_with("Orders arrive late"), "{}", signal.title);
                assert_eq!(signal.links.len(), 1);
                assert_eq!((signal.started_at, signal.observed_at), (None, None), "the form holds no times");
                ids.insert(signal.fingerprint);
            }
        }
        assert_eq!(ids.len(), 1, "{platform}");
        assert_eq!(ids.contains(ORIGINAL), platform == "montecarlo");
    }
    for declared in DeclaredSeverity::ALL {
        let incident = Incident { declared_severity: Some(declared), ..incident("datadog") };
        let signal = read(&body(&event(EventKind::SeverityDeclared, incident)));
        assert_eq!(signal.source.declared_severity, Patch::Set(declared));
        assert_eq!(signal.severity, Some(severity(declared)));
    }
}

#[test]
fn what_is_sent_is_proven_by_the_same_scheme_and_signed_alike_everywhere() {
    let mut told = event(EventKind::Created, incident("datadog"));
    told.incident.title = "Orders' \"late\" \u{1fae8}\u{a0}\u{378}".into();
    let sent = render(&with_alert(vec![measurement("1e22", ">=", "1125899906842624.25")], told)).unwrap();
    assert!(!String::from_utf8(sent.body.clone()).unwrap().contains(['\u{1fae8}', '\u{378}']));
    let wishes_settings = Map::new();
    let scheme = MonteCarloDialect.scheme(&wishes_settings).unwrap();
    let proof = scheme.sign(&[SECRET], &Stamp { id: "evt", at: at(0) }, &sent.body).unwrap();
    let [(header, value)] = proof.headers.as_slice() else { panic!("{proof:?}") };
    assert_eq!((header.as_str(), value.len()), ("x-mcd-signature", 128));
    let secret = Secret {
        id: SecretId::from_i64(1),
        value: SECRET.to_owned().into(),
        created_at: at(0),
        expires_at: None,
    };
    let sealer = Sealer::new([7; 32]);
    let context = VerifyContext { now: at(0), sealer: &sealer, stored: false };
    let is_proven = |body: &[u8]| {
        let inbound = Inbound { query: "", headers: &proof.headers, body };
        let verdict = verify(&MonteCarlo.schemes(&Map::new()), &[&secret], &inbound, &context);
        matches!(verdict, Verification::Verified { .. })
    };
    assert!(is_proven(&sent.body));
    let title = sent.body.windows(6).position(|window| window == b"Orders").unwrap();
    let mut flipped = sent.body.clone();
    flipped[title] ^= 1;
    assert!(!is_proven(&flipped), "a flipped byte is refused");
}

#[test]
fn settings_and_templates_that_cannot_serve_are_refused() {
    let template = json!({});
    for (template, settings, expected) in [
        (Some(&template), json!({}), "remove the template"),
        (None, json!({"account_id": 5}), "`account_id`"),
        (None, json!({"account_id": " "}), "`account_id`"),
    ] {
        let headers = BTreeMap::new();
        let settings = settings.as_object().unwrap();
        let wishes = Wishes { template, headers: &headers, settings, secret: None };
        let message = MonteCarloDialect.check(&wishes).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn absent_null_and_a_value_are_three_things_wherever_they_stand() {
    for (top, inner, feedback, owner) in [
        (json!({}), json!({}), Patch::Unchanged, Patch::Unchanged),
        (json!({"alert_feedback": null}), json!({"owner": null}), Patch::Cleared, Patch::Cleared),
        (
            json!({"alert_feedback": null}),
            json!({"alert_feedback": "fixed", "owner": "o@example.net"}),
            Patch::Cleared,
            Patch::Set("o@example.net".to_owned()),
        ),
        (json!({"alert_feedback": "NO_STATUS"}), json!({}), Patch::Cleared, Patch::Unchanged),
        (json!({"alert_feedback": "None", "owner": "None"}), json!({}), Patch::Unchanged, Patch::Unchanged),
        (json!({"alert_feedback": true, "owner": 5}), json!({}), Patch::Unchanged, Patch::Unchanged),
        (json!({"alert_feedback": "helpful"}), json!({}), Patch::Unchanged, Patch::Unchanged),
    ] {
        let mut body = json!({"payload": {"incident_id": "i-1"}});
        body.as_object_mut().unwrap().extend(top.as_object().unwrap().clone());
        body["payload"].as_object_mut().unwrap().extend(inner.as_object().unwrap().clone());
        let signal = read(&body);
        assert_eq!((signal.source.feedback, signal.source.owner), (feedback, owner), "{body}");
    }
    assert_eq!(read(&json!({"payload": {"incident_id": "i-1"}})).status, SignalStatus::Updated);
}

#[test]
fn a_severity_that_is_taken_back_is_the_default_again() {
    let severity = |body: &str, settings: Value| {
        let inbound = Inbound { query: "", headers: &[], body: body.as_bytes() };
        let decoded = MonteCarlo.decode(&inbound, settings.as_object().unwrap()).unwrap();
        decoded.signals.first().unwrap().severity
    };
    let cleared = r#"{"payload":{"incident_id":"i"},"declared_alert_severity":null}"#;
    assert_eq!(severity(cleared, json!({})), Some(Severity::Medium));
    assert_eq!(severity(cleared, json!({"default_severity": "low"})), Some(Severity::Low));
    assert_eq!(severity(r#"{"payload":{"incident_id":"i"}}"#, json!({})), None);
}

#[test]
fn tickets_are_named_by_their_address() {
    let ticket = |system: &str, key: &str, url: &str| {
        Some(Ticket { system: system.into(), key: key.into(), url: url.into() })
    };
    for (url, expected) in [
        (
            "https://x.atlassian.net/browse/D-7?a=b",
            ticket("jira", "D-7", "https://x.atlassian.net/browse/D-7?a=b"),
        ),
        ("http://x.service-now.com/INC9/", ticket("servicenow", "INC9", "http://x.service-now.com/INC9/")),
        ("https://desk.example", ticket("ticket", "desk.example", "https://desk.example")),
        ("javascript:alert(1)", None),
    ] {
        assert_eq!(words::ticket(url), expected, "{url}");
    }
}
