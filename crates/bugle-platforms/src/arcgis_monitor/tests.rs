//! What the fixtures cannot show: parts laid over wholes, and the way out and back.

use std::collections::BTreeMap;

use bugle_model::{Alert, AlertStatus, EventKind, IncidentStatus, Severity, Signal, SignalStatus};
use serde_json::{Value, json};

use super::{ArcGisMonitor, ArcGisMonitorDialect};
use crate::{
    Source,
    told::{alert, body, event, incident, read, render, signed},
};

const OPENED: i64 = 1_788_840_000_000;

fn row() -> Value {
    json!({
        "id": 58231, "name": "Disk Utilized", "aggregation": "max", "operator": ">=", "samples": 4,
        "info_threshold": 70, "warning_threshold": 80, "critical_threshold": 95, "metric_id": 1204,
        "observer_id": 66, "component_id": 318, "component_name": "gis-data-03.example.org",
        "component_type": "host", "component_subtype": "windows", "value": 83.7, "state": "open", "status": 2,
        "created_at": OPENED + 412, "opened_at": OPENED, "closed_at": null, "rack": "B 7",
    })
}

fn signal(operation: &str, seconds: i64, attributes: &Value) -> Signal {
    let at = OPENED + 1000 * seconds;
    let call = json!({
        "info": {"id": "27", "name": "Watch", "monitor_url": "https://Monitor.example.org/arcgis/", "sent_at": at},
        "events": [{"operation": operation, "resource": "Alerts", "occurred_at": at, "attributes": attributes}],
    });
    read(&ArcGisMonitor, call.to_string().as_bytes()).signals.remove(0)
}

fn back(body: &Value) -> Signal {
    read(&ArcGisMonitor, body.to_string().as_bytes()).signals.remove(0)
}

fn closed() -> Value {
    json!({"id": 58231, "status": 0, "closed_at": OPENED + 900_000})
}

#[test]
fn a_part_changes_what_it_names() {
    let known = alert(vec![
        signal("add", 0, &row()),
        signal("update", 60, &json!({"id": 58231, "value": 97.25, "status": 3, "samples": 5})),
        signal("update", 120, &json!({"id": 58231, "closed_at": null})),
    ]);
    assert_eq!((known.status, known.severity), (AlertStatus::Firing, Severity::Critical));
    assert_eq!(known.signal.title, "Disk Utilized on gis-data-03.example.org");
    assert_eq!(known.signal.labels.get("component_id").map(String::as_str), Some("318"));
    assert_eq!(known.signal.annotations.get("samples").map(String::as_str), Some("5"));
    let measured = known.signal.measurements.first().unwrap();
    assert_eq!((measured.metric.as_str(), measured.value.as_deref()), ("Disk Utilized", Some("97.25")));
    assert!(!known.signal.partial);
}

#[test]
fn the_end_is_told_in_several_ways() {
    for (operation, attributes, expected) in [
        ("DELETE", json!({"id": 58231}), SignalStatus::Resolved),
        ("removed", json!({"id": 58231, "status": 3}), SignalStatus::Resolved),
        ("update", json!({"id": 58231, "status": 0}), SignalStatus::Resolved),
        ("update", json!({"id": 58231, "status": "nominal"}), SignalStatus::Resolved),
        ("update", json!({"id": 58231, "closed_at": OPENED}), SignalStatus::Resolved),
        ("update", json!({"id": 58231, "state": "Closed"}), SignalStatus::Resolved),
        ("update", json!({"id": 58231, "status": 2, "state": "closed"}), SignalStatus::Firing),
        ("update", json!({"id": 58231, "status": 9}), SignalStatus::Firing),
        ("update", json!({"id": 58231, "closed_at": null}), SignalStatus::Firing),
        ("update", json!({"id": 58231, "value": 4}), SignalStatus::Updated),
        ("recalculated", json!({"id": 58231, "value": 4}), SignalStatus::Updated),
        ("Create", json!({"id": 58231}), SignalStatus::Firing),
    ] {
        assert_eq!(signal(operation, 0, &attributes).status, expected, "{operation} {attributes}");
    }
}

fn shown(signal: &Signal) -> impl PartialEq + std::fmt::Debug {
    let links: Vec<String> = signal.links.iter().map(|link| link.url.clone()).collect();
    (
        signal.fingerprint.clone(),
        signal.status,
        signal.title.clone(),
        signal.started_at,
        signal.ended_at,
        links,
    )
}

/// The rest of what a row tells, which its end need not repeat.
fn details(signal: &Signal) -> impl PartialEq + std::fmt::Debug {
    (signal.severity, signal.labels.clone(), signal.entity.clone(), signal.measurements.clone())
}

#[test]
fn its_own_alerts_leave_as_they_came() {
    let life: [(EventKind, Alert); 3] = [
        (EventKind::Created, alert(vec![signal("add", 0, &row())])),
        (
            EventKind::Updated,
            alert(vec![signal("add", 0, &row()), signal("update", 60, &json!({"id": 58231, "status": 3}))]),
        ),
        (EventKind::Resolved, alert(vec![signal("add", 0, &row()), signal("update", 900, &closed())])),
    ];
    for (kind, alert) in life {
        let told = body(
            &ArcGisMonitorDialect,
            &event(kind, 1, incident("arcgis_monitor", &alert), Some(alert.clone())),
            &json!({}),
        );
        let came = back(&told);
        assert_eq!(shown(&came), shown(&alert.signal), "{told}");
        if kind == EventKind::Created {
            assert_eq!(details(&came), details(&alert.signal), "{told}");
        } else if kind == EventKind::Updated {
            assert_eq!(came.severity, Some(Severity::Critical));
        }
        let attributes = &told["events"][0]["attributes"];
        for name in ["id", "rack", "samples", "metric_id", "critical_threshold", "created_at", "opened_at"] {
            assert_eq!(attributes[name], row()[name], "{name}");
        }
        assert_eq!(told["info"]["monitor_url"], "https://Monitor.example.org/arcgis/");
    }
}

fn foreign(severity: Severity) -> Alert {
    alert(vec![Signal {
        fingerprint: "checkout/latency".into(),
        title: "Checkout is slow".into(),
        severity: Some(severity),
        service: Some("checkout".into()),
        started_at: Some(bugle_model::Timestamp::from_millis(OPENED)),
        measurements: vec![bugle_model::signal::Measurement {
            metric: "latency.p99".into(),
            value: Some("2.50".into()),
            operator: Some(">".into()),
            threshold: Some("2".into()),
            ..Default::default()
        }],
        ..Signal::default()
    }])
}

#[test]
fn others_alerts_keep_one_id_and_close_when_a_person_resolves() {
    let firing = foreign(Severity::High);
    let open = incident("datadog", &firing);
    let mut over = open.clone();
    over.status = IncidentStatus::NoActionNeeded;
    over.resolved_at = Some(crate::told::NOW);
    let created =
        body(&ArcGisMonitorDialect, &event(EventKind::Created, 1, open.clone(), Some(firing)), &json!({}));
    let resolved = body(&ArcGisMonitorDialect, &event(EventKind::Resolved, 2, over, None), &json!({}));

    let (begin, end) = (back(&created), back(&resolved));
    assert_eq!(begin.fingerprint, end.fingerprint);
    assert_eq!((begin.status, end.status), (SignalStatus::Firing, SignalStatus::Resolved));
    assert_eq!(begin.severity, Some(Severity::Critical));
    assert_eq!(begin.title, "Checkout is slow on checkout");
    assert_eq!(begin.started_at, Some(open.started_at));
    assert_eq!(end.ended_at, Some(crate::told::NOW));
    assert_eq!(begin.links.first().map(|link| link.url.as_str()), Some(crate::told::INCIDENT_URL));
    assert!(end.partial, "a person's doing tells nothing of the measurement");

    let attributes = &created["events"][0]["attributes"];
    assert_eq!(attributes["critical_threshold"], 2);
    assert_eq!(attributes["warning_threshold"], Value::Null);
    assert!(attributes["id"].as_u64().is_some_and(|id| id < 1 << 53));
    assert_eq!(created["events"][0]["operation"], "add");
    assert_eq!(created["info"]["monitor_url"], "https://bugle.example.net/");
    assert_ne!(created["info"]["trace_id"], resolved["info"]["trace_id"]);
    let raw = render(
        &ArcGisMonitorDialect,
        &event(EventKind::Created, 1, open, Some(foreign(Severity::High))),
        &json!({}),
    );
    assert!(
        String::from_utf8_lossy(&raw.unwrap().body).contains(r#""value":2.50"#),
        "numbers keep their text"
    );
}

#[test]
fn severities_become_statuses() {
    for (severity, status, read_back) in [
        (Severity::Critical, 3, Severity::Critical),
        (Severity::High, 3, Severity::Critical),
        (Severity::Medium, 2, Severity::Medium),
        (Severity::Low, 1, Severity::Info),
        (Severity::Info, 1, Severity::Info),
    ] {
        let alert = foreign(severity);
        let told = body(
            &ArcGisMonitorDialect,
            &event(EventKind::Created, 1, incident("x", &alert), Some(alert)),
            &json!({}),
        );
        assert_eq!(told["events"][0]["attributes"]["status"], status, "{severity}");
        assert_eq!(back(&told).severity, Some(read_back), "{severity}");
    }
}

#[test]
fn what_it_has_no_word_for_is_left_out() {
    let known: Vec<&str> = EventKind::ALL
        .iter()
        .filter(|kind| {
            let alert = foreign(Severity::Low);
            render(&ArcGisMonitorDialect, &event(**kind, 1, incident("x", &alert), None), &json!({}))
                .is_some()
        })
        .map(|kind| kind.as_str())
        .collect();
    assert_eq!(known, ["incident.created", "incident.updated", "incident.resolved", "incident.reopened"]);
}

#[test]
fn settings_name_the_notification_and_are_checked() {
    let settings = json!({"notification_id": "9", "notification_name": "Hub", "version": "2023.1.0", "monitor_url": "https://hub.example.org/m"});
    let alert = foreign(Severity::Low);
    let told = body(
        &ArcGisMonitorDialect,
        &event(EventKind::Created, 1, incident("x", &alert), Some(alert)),
        &settings,
    );
    let info = &told["info"];
    assert_eq!(
        (&info["id"], &info["name"], &info["version"]),
        (&json!("9"), &json!("Hub"), &json!("2023.1.0"))
    );
    assert_eq!(info["monitor_url"], "https://hub.example.org/m/");
    for (name, value) in
        [("monitor_url", json!("hub")), ("version", json!(7)), ("notification_id", json!(" "))]
    {
        let settings = serde_json::Map::from_iter([(name.to_owned(), value)]);
        let wishes = crate::dialect::Wishes {
            template: None,
            headers: &BTreeMap::new(),
            settings: &settings,
            secret: None,
        };
        assert!(crate::Dialect::check(&ArcGisMonitorDialect, &wishes).is_err(), "{name}");
    }
    for (value, fine) in
        [(json!("alerts"), true), (json!("ignore"), true), (json!("all"), false), (json!(1), false)]
    {
        let settings = serde_json::Map::from_iter([("incidents".to_owned(), value.clone())]);
        assert_eq!(ArcGisMonitor.check_settings(&settings).is_ok(), fine, "{value}");
    }
}

#[test]
fn it_signs_in_the_header_that_the_server_uses() {
    // hmac.new(b"a-secret", b"{}", hashlib.sha256).hexdigest()
    let expected = "sha256=840e57abfe2fde278d0f8b85f62296fed1d82a35e04320a6a44421c66a290a78";
    assert_eq!(
        signed(&ArcGisMonitorDialect, b"{}", &json!({})),
        [("x-esrihook-signature".to_owned(), expected.to_owned())]
    );
}
