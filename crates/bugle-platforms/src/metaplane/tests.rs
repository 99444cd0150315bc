//! What the fixtures cannot show: order, reopening, and the way out and back.

use std::collections::BTreeMap;

use bugle_model::{
    Alert, AlertStatus, EventKind, IncidentStatus, Severity, Signal, SignalStatus, Timestamp,
    incident::{DeclaredSeverity, Ticket},
    signal::Measurement,
};
use serde_json::{Map, Value, json};

use super::{Metaplane, MetaplaneDialect};
use crate::{
    Dialect, Source,
    dialect::Wishes,
    told::{INCIDENT_URL, NOW, alert, body, event, incident, read, render, signed},
};

fn call(status: &str, minute: u32, labels: &[&str], resolved_at: Option<&str>) -> Value {
    let updated_at = format!("2026-09-08T05:{minute:02}:00.000Z");
    let labels: Vec<Value> = labels.iter().map(|name| json!({"id": "1", "name": name})).collect();
    json!({
        "id": "51877", "createdAt": "2026-09-08T05:00:00.000Z", "updatedAt": updated_at, "idempotencyId": "x",
        "status": status, "acknowledged": false, "acknowledgedAt": null,
        "incidentUrl": "https://app.metaplane.dev/incident/51877", "labels": labels,
        "affectedMonitors": [{
            "id": "70412",
            "monitor": {
                "id": "m-1", "type": "NULLNESS", "name": "Null rate", "entityType": "column",
                "absolutePath": "LAKE.LOGISTICS.shipments.shipped_at",
            },
            "linkedAt": "2026-09-08T05:00:00.098Z", "resolvedAt": resolved_at,
            "group": [{"name": "region", "value": "EU"}, {"name": "carrier", "value": "northline"}],
            "connections": [{"id": "c-1", "name": null, "type": "DBT"}],
        }],
    })
}

fn signals(call: &Value) -> Vec<Signal> {
    read(&Metaplane, call.to_string().as_bytes()).signals
}

fn one(status: &str, minute: u32, labels: &[&str]) -> Signal {
    signals(&call(status, minute, labels, None)).remove(0)
}

#[test]
fn an_older_call_never_wins_and_a_later_one_reopens() {
    let open = |minute| one("opened", minute, &[]);
    for (order, status, cycle) in [
        (
            vec![open(0), one("resolved", 9, &[]), one("opened", 5, &["investigating"])],
            AlertStatus::Resolved,
            1,
        ),
        (vec![one("opened", 5, &["investigating"]), open(0)], AlertStatus::Acknowledged, 1),
        (vec![one("opened", 5, &["investigating"]), open(6)], AlertStatus::Firing, 1),
        (vec![one("resolved", 9, &[]), open(0)], AlertStatus::Resolved, 1),
        (vec![open(0), one("resolved", 9, &[]), open(12)], AlertStatus::Firing, 2),
    ] {
        let known = alert(order);
        assert_eq!((known.status, known.cycle), (status, cycle));
    }
}

#[test]
fn a_resolved_monitor_of_an_open_incident_is_over_at_its_own_moment() {
    let signal = signals(&call("opened", 30, &[], Some("2026-09-08T05:29:00.500Z"))).remove(0);
    assert_eq!(signal.status, SignalStatus::Resolved);
    assert_eq!(signal.ended_at.unwrap().to_string(), "2026-09-08T05:29:00.500Z");
}

fn shown(signal: &Signal) -> impl PartialEq + std::fmt::Debug {
    let times = (signal.started_at, signal.ended_at);
    let links: Vec<String> = signal.links.iter().map(|link| link.url.clone()).collect();
    let what =
        (signal.title.clone(), signal.labels.clone(), signal.entity.clone(), signal.measurements.clone());
    (signal.fingerprint.clone(), signal.grouping_key.clone(), signal.status, times, links, what)
}

#[test]
fn its_own_incidents_leave_as_they_came() {
    for (kind, call) in [
        (EventKind::Created, call("opened", 0, &["critical"], None)),
        (EventKind::Acknowledged, call("opened", 1, &["investigating", "critical"], None)),
        (EventKind::Resolved, call("resolved", 2, &["critical"], Some("2026-09-08T05:01:30.000Z"))),
        (EventKind::Resolved, call("resolved", 2, &["critical"], None)),
    ] {
        let known = alert(signals(&call));
        let told = body(
            &MetaplaneDialect,
            &event(kind, 1, incident("metaplane", &known), Some(known.clone())),
            &json!({}),
        );
        let came = signals(&told);
        assert_eq!(came.len(), 1);
        let came = came.first().unwrap();
        assert_eq!(shown(came), shown(&known.signal), "{told}");
        assert_eq!(came.severity, Some(Severity::Critical), "{told}");
        let (monitor, own) = (&told["affectedMonitors"][0], &call["affectedMonitors"][0]);
        for name in ["id", "monitor", "group", "connections", "linkedAt"] {
            assert_eq!(monitor[name], own[name], "{name}");
        }
    }
}

#[test]
fn an_incident_without_monitors_leaves_without_them() {
    let mut call = call("opened", 0, &[], None);
    call["affectedMonitors"] = json!([]);
    let known = alert(signals(&call));
    let told = body(
        &MetaplaneDialect,
        &event(EventKind::Created, 1, incident("metaplane", &known), Some(known.clone())),
        &json!({}),
    );
    assert_eq!(told["affectedMonitors"], json!([]));
    assert_eq!(signals(&told).first().unwrap().fingerprint, known.fingerprint);
}

fn foreign() -> Alert {
    alert(vec![Signal {
        fingerprint: "checkout/latency".into(),
        title: "Checkout is slow".into(),
        severity: Some(Severity::High),
        service: Some("checkout".into()),
        started_at: Some(Timestamp::from_seconds(1_789_990_000)),
        measurements: vec![
            Measurement { metric: "latency.p50".into(), ..Measurement::default() },
            Measurement {
                metric: "latency.p99".into(),
                group: [("region".into(), "eu".into())].into(),
                ..Measurement::default()
            },
        ],
        ..Signal::default()
    }])
}

#[test]
fn others_incidents_are_whole_documents() {
    let known = foreign();
    let mut open = incident("datadog", &known);
    open.declared_severity = Some(DeclaredSeverity::Sev2);
    open.status = IncidentStatus::WorkInProgress;
    open.tickets = vec![Ticket {
        system: "jira".into(),
        key: "OPS-7".into(),
        url: "https://jira.example.net/OPS-7".into(),
    }];
    let told = body(&MetaplaneDialect, &event(EventKind::StatusChanged, 3, open, Some(known)), &json!({}));
    let expected = json!({
        "id": "42",
        "createdAt": "2026-09-21T11:26:40.000Z",
        "updatedAt": "2026-09-21T14:13:20.002Z",
        "idempotencyId": "NDItMjAyNi0wOS0yMVQxNDoxMzoyMC4wMDJa",
        "status": "opened",
        "acknowledged": false,
        "acknowledgedAt": null,
        "incidentUrl": "https://bugle.example.net/incidents/inc_1",
        "labels": [
            {
                "id": "severity:high",
                "name": "severity: high"
            },
            {
                "id": "declared_severity:SEV-2",
                "name": "SEV-2"
            },
            {
                "id": "status:work_in_progress",
                "name": "work_in_progress"
            },
            {
                "id": "ticket:jira:OPS-7",
                "name": "OPS-7"
            }
        ],
        "affectedMonitors": [
            {
                "id": "42",
                "monitor": {
                    "id": "9df61f8b-3fb2-4757-a105-410b5c7a29bb",
                    "type": "CUSTOM",
                    "name": "Checkout is slow",
                    "entityType": "service",
                    "absolutePath": "checkout"
                },
                "linkedAt": "2026-09-21T11:26:40.000Z",
                "resolvedAt": null,
                "group": [
                    {
                        "name": "region",
                        "value": "eu"
                    }
                ],
                "connections": []
            }
        ]
    });
    assert_eq!(told, expected);
    let came = signals(&told).remove(0);
    assert_eq!((came.status, came.severity), (SignalStatus::Acknowledged, Some(Severity::High)));
    assert_eq!(came.links.first().map(|link| link.url.as_str()), Some(INCIDENT_URL));
}

#[test]
fn what_a_person_resolves_closes_what_the_alert_opened() {
    let known = foreign();
    let mut over = incident("datadog", &known);
    let told = body(&MetaplaneDialect, &event(EventKind::Created, 1, over.clone(), Some(known)), &json!({}));
    let opened = signals(&told).remove(0).fingerprint;
    over.status = IncidentStatus::Expected;
    over.resolved_at = Some(NOW);
    let told = body(&MetaplaneDialect, &event(EventKind::Resolved, 2, over, None), &json!({}));
    let came = signals(&told).remove(0);
    assert_eq!((came.fingerprint, came.status, came.ended_at), (opened, SignalStatus::Resolved, Some(NOW)));
    assert_eq!(told["labels"][1], json!({"id": "status:expected", "name": "expected"}));
}

#[test]
fn ids_are_stable_per_incident_and_differ_per_event() {
    let known = foreign();
    let told = |sequence| {
        let event = event(EventKind::Updated, sequence, incident("datadog", &known), None);
        body(&MetaplaneDialect, &event, &json!({}))
    };
    let (first, second) = (told(1), told(2));
    assert_eq!(first["id"], second["id"]);
    assert_ne!(first["idempotencyId"], second["idempotencyId"]);
    assert!(first["updatedAt"].as_str() < second["updatedAt"].as_str());
}

#[test]
fn owners_and_comments_have_no_word() {
    let known = foreign();
    for kind in EventKind::ALL {
        let event = event(*kind, 1, incident("datadog", &known), None);
        let skipped = matches!(kind, EventKind::OwnerChanged | EventKind::Commented);
        assert_eq!(render(&MetaplaneDialect, &event, &json!({})).is_none(), skipped, "{kind:?}");
    }
}

#[test]
fn the_header_of_the_signature_is_a_setting_both_ways() {
    let given = json!({"signature_header": "X-Lake-Signature"});
    for (settings, header) in [(&json!({}), "x-metaplane-signature"), (&given, "x-lake-signature")] {
        let names: Vec<String> =
            signed(&MetaplaneDialect, b"{}", settings).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [header]);
    }
    let bad = Map::from_iter([("signature_header".to_owned(), json!("two words"))]);
    let wishes = Wishes { template: None, headers: &BTreeMap::new(), settings: &bad, secret: None };
    assert!(MetaplaneDialect.check(&wishes).is_err());
    assert!(Metaplane.check_settings(&bad).is_err());
    let names: Vec<String> = Metaplane
        .schemes(given.as_object().unwrap())
        .iter()
        .map(|scheme| scheme.name().into_owned())
        .collect();
    assert_eq!(names, ["X-Lake-Signature"; 4]);
}
