//! Calls in every order of arrival, and twice, end in the same incident.
//!
//! What cannot hold: where nothing in the calls says when (Monte Carlo, Overwatch, Datadog's short form, PagerDuty's
//! documented form), what arrives last counts. Monte Carlo's creation, which is said once, is the exception: it may come
//! last. And an end of which no beginning was heard, with a beginning after it that has no time, is a new alert that fires:
//! one too many is seen and closed, one too few is not seen.

use bugle_model::{Incident, IncidentStatus as S, incident::DeclaredSeverity};
use bugle_platforms::table;
use serde_json::{Value, json};

use crate::{
    stories::fixture,
    world::{Call, World},
};

/// Every order of `items`.
fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for place in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(place);
        for mut order in orders(&rest) {
            order.insert(0, first.clone());
            all.push(order);
        }
    }
    all
}

/// What must be the same whatever the order. Its last title, how bad it was and who had it are what was known at its end: an
/// update that comes later, and was made before, rewrites none of them.
fn end(incident: &Incident) -> impl PartialEq + std::fmt::Debug + use<> {
    let Incident { status, alerts, labels, service, host, entity, links, .. } = incident.clone();
    (status, (alerts.total, alerts.firing()), labels, (service, host, entity, links))
}

/// Every order, each call once and each call twice in a row, ends as the calls in their own order do.
fn check_orders(slug: &str, calls: &[Call]) {
    let source = table::source(slug).unwrap();
    let mut straight = World::new(source);
    for call in calls {
        straight.call(call);
    }
    let (expected, began) = (end(straight.only()), straight.only().started_at);
    let numbered: Vec<usize> = (0..calls.len()).collect();
    for order in orders(&numbered) {
        for times in [1, 2] {
            let mut world = World::new(source);
            for place in &order {
                for _ in 0..times {
                    world.call(calls.get(*place).unwrap());
                }
            }
            // All once more, as a sender does that heard no answer.
            for place in order.iter().filter(|_| times == 2) {
                world.call(calls.get(*place).unwrap());
            }
            assert_eq!(world.incidents.len(), 1, "{slug} in order {order:?}, {times} times");
            assert_eq!(end(world.only()), expected, "{slug} in order {order:?}, {times} times");
            assert_eq!(world.only().started_at, began, "{slug} in order {order:?}, {times} times");
        }
    }
}

fn anomify(more: &Value) -> Call {
    let mut anomaly = json!({
        "anomalyScore": 0.8,
        "id": "731905",
        "metric": "db-7.postgres.replication_lag",
        "timestamp": 1_799_990_000,
        "value": 41.25,
    });
    anomaly.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Call::json(json!({"data": {"anomaly": anomaly}, "status": {}}).to_string())
}

#[test]
fn three_posts_of_anomify() {
    let found = json!({
        "cross correlations": {"db-7.disk io": {"coefficient": 0.97, "shifted": 0, "shifted_coefficient": 0.97}},
        "possible related anomalies": {"731904": {"metric": "db-7.load", "timestamp": 1_799_989_940}},
        "possible related matches": {"55021": {"timestamp": 1_799_990_006, "fp id": 71, "layer id": "None", "metric": "db-8.lag"}},
    });
    let mut last = found.clone();
    last.as_object_mut().unwrap().insert("end_timestamp".into(), json!(1_799_990_700));
    check_orders("anomify", &[anomify(&json!({})), anomify(&found), anomify(&last)]);
}

fn metaplane(minute: u32, status: &str, monitors: &[(&str, Option<u32>)]) -> Call {
    let at = |minute: u32| format!("2027-01-15T06:{minute:02}:00.250Z");
    let monitors: Vec<Value> = monitors
        .iter()
        .map(|(id, resolved)| {
            json!({
                "id": id,
                "monitor": {"id": format!("m-{id}"), "type": "FRESHNESS", "name": "Freshness", "entityType": "table",
                    "absolutePath": "LAKE.SALES.refunds"},
                "linkedAt": at(1),
                "resolvedAt": resolved.map(at),
                "group": [{"name": "region", "value": id}],
            })
        })
        .collect();
    Call::json(
        json!({
            "id": "90211", "createdAt": at(0), "updatedAt": at(minute), "idempotencyId": format!("key-{minute}"),
            "status": status, "acknowledged": false, "acknowledgedAt": null,
            "incidentUrl": "https://app.metaplane.dev/incident/90211", "labels": [], "affectedMonitors": monitors,
        })
        .to_string(),
    )
}

#[test]
fn an_incident_of_metaplane() {
    check_orders(
        "metaplane",
        &[
            metaplane(2, "opened", &[("1", None)]),
            metaplane(4, "opened", &[("1", None)]),
            metaplane(9, "resolved", &[("1", Some(9))]),
        ],
    );
}

#[test]
fn an_alert_of_arcgis_monitor() {
    check_orders(
        "arcgis_monitor",
        &["firing", "update_whole", "resolved"].map(|name| fixture("arcgis_monitor", name)),
    );
}

/// One of Monte Carlo's events about one alert, and what of the incident it decides.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Created,
    Acknowledged,
    Owner,
    Ticket,
    Declared,
    Cleared,
    Resolved,
}

impl Told {
    const ALL: [Self; 7] = [
        Self::Created,
        Self::Acknowledged,
        Self::Owner,
        Self::Ticket,
        Self::Declared,
        Self::Cleared,
        Self::Resolved,
    ];

    fn call(self) -> Call {
        let changed = match self {
            Self::Created => json!({"alert_feedback": null, "declared_alert_severity": null}),
            Self::Acknowledged => json!({"alert_feedback": "investigating"}),
            Self::Owner => json!({"owner": "noor@example.net"}),
            Self::Ticket => json!({"ticket_url": "https://example.atlassian.net/browse/DATA-9"}),
            Self::Declared => json!({"declared_alert_severity": "SEV-2"}),
            Self::Cleared => json!({"declared_alert_severity": null}),
            Self::Resolved => json!({"alert_feedback": "expected"}),
        };
        let mut body = json!({
            "account": {"id": "2f0b6c58-3d1f-4b7e-9a51-7c0d4e8f1a22"},
            "action": "incident",
            "payload": {
                "event_list": [{"event_details": "Has 12 rows vs. 9000 expected", "table_name": "refunds"}],
                "group_id": "lake:sales",
                "incident_id": "6a1d9f04-58c7-4e2b-8f3a-b9c0d1e2f345",
                "url": "https://getmontecarlo.com/alerts/6a1d9f04-58c7-4e2b-8f3a-b9c0d1e2f345",
            },
            "type": "open_anomaly_incident",
            "version": "v0.1",
        });
        body.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        Call::json(body.to_string())
    }
}

/// What people set last is what holds, whenever the creation arrives, and however often each call does.
#[test]
fn eight_events_of_monte_carlo() {
    let source = table::source("montecarlo").unwrap();
    let calls = Told::ALL.map(Told::call);
    for order in orders(&Told::ALL) {
        let mut world = World::new(source);
        for told in &order {
            for _ in 0..2 {
                world.call(calls.get(*told as usize).unwrap());
            }
        }
        world.call(calls.first().unwrap());
        let last = |either: [Told; 2]| order.iter().rfind(|told| either.contains(told)).copied();
        let incident = world.only();
        let over = last([Told::Acknowledged, Told::Resolved]) == Some(Told::Resolved);
        let declared = last([Told::Declared, Told::Cleared]) == Some(Told::Declared);
        assert_eq!(incident.status, if over { S::Expected } else { S::Acknowledged }, "{order:?}");
        assert_eq!(incident.declared_severity, declared.then_some(DeclaredSeverity::Sev2), "{order:?}");
        assert_eq!(incident.owner.as_deref(), Some("noor@example.net"), "{order:?}");
        assert_eq!((incident.tickets.len(), incident.alerts.total), (1, 1), "{order:?}");
        assert_eq!(incident.alerts.firing(), u32::from(!over), "{order:?}");
    }
}

/// The rooms' own fixtures, of platforms whose calls say when things happened.
#[test]
fn what_has_times_may_come_in_any_order() {
    for slug in ["anomify", "arcgis_monitor", "grafana", "newrelic", "pagerduty", "prometheus", "signoz"] {
        check_orders(slug, &["firing", "update", "resolved"].map(|name| fixture(slug, name)));
    }
}

/// The last word counts, and it is one incident all the same.
#[test]
fn what_has_no_times_is_one_incident_in_any_order() {
    let overwatch = |status: &str| json!({"incident_id": "INC-2209", "title": "Refunds fail", "severity": "high", "status": status});
    let datadog = |status: &str| json!({"id": "88120", "alert_type": "error", "alert_name": "Refunds fail", "alert_status": status, "severity": "high"});
    let pagerduty = |status: &str| {
        json!({"messages": [{"event": format!("incident.{status}"), "incident": {
            "id": "Q7RFND", "incident_number": 12, "title": "Refunds fail", "status": status, "urgency": "high",
            "html_url": "https://example.pagerduty.com/incidents/Q7RFND", "service": {"id": "PS1", "name": "refunds"},
        }}]})
    };
    for (slug, bodies) in [
        ("overwatch", ["open", "acknowledged", "resolved"].map(overwatch)),
        ("datadog", ["triggered", "triggered", "recovered"].map(datadog)),
        ("pagerduty", ["triggered", "acknowledged", "resolved"].map(pagerduty)),
    ] {
        let source = table::source(slug).unwrap();
        for order in orders(&[0, 1, 2]) {
            let mut world = World::new(source);
            for place in &order {
                let call = Call::json(bodies.get(*place).unwrap().to_string());
                world.call(&call);
                world.call(&call);
            }
            let over = order.last() == Some(&2);
            assert_eq!(world.only().is_resolved(), over, "{slug} in order {order:?}");
        }
    }
}
