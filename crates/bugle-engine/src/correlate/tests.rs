//! Every order of arrival, in a line each.

use std::net::{IpAddr, Ipv4Addr};

use bugle_model::{Event, incident::DeclaredSeverity, receipt::RequestHead};

use super::*;

/// A store of one integration, in memory: what is committed is the situation of the next step.
struct World {
    integration: Integration,
    ids: IdGenerator,
    alerts: Vec<Alert>,
    incidents: Vec<Incident>,
    events: Vec<Event>,
    now: i64,
}

fn world(settings: &serde_json::Value) -> World {
    let now = Timestamp::from_seconds(1_000);
    let integration = Integration {
        id: IntegrationId::from_i64(5),
        platform: "custom".into(),
        name: "test".into(),
        enabled: true,
        secrets: Vec::new(),
        allowed_ips: Vec::new(),
        rate_limit: None,
        settings: settings.as_object().cloned().unwrap_or_default(),
        created_at: now,
        updated_at: now,
    };
    World {
        integration,
        ids: IdGenerator::new(0),
        alerts: Vec::new(),
        incidents: Vec::new(),
        events: Vec::new(),
        now: 1_000,
    }
}

impl World {
    /// One call with these signals, `seconds` after the one before.
    fn call_after(&mut self, seconds: i64, signals: Vec<Signal>) -> Vec<String> {
        self.now += seconds;
        let at = Timestamp::from_seconds(self.now);
        let receipt = Receipt {
            id: self.ids.next(at),
            integration_id: self.integration.id,
            received_at: at,
            remote_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            correlation_id: "c".into(),
            head: RequestHead { method: "POST".into(), query: String::new(), headers: Vec::new() },
            body: Vec::new(),
            verification: Verification::Unverified,
            state: ReceiptState::Pending,
            problem: None,
            senders_id: None,
            alert_key: None,
        };
        let reading = Reading {
            origin: Origin::of(&receipt),
            integration: Arc::new(self.integration.clone()),
            decoded: Decoded::signals(signals),
        };
        let situation = Situation::new(self.alerts.clone(), self.incidents.clone());
        let step = correlate(vec![reading], situation, &self.ids, at);
        for alert in step.alerts {
            self.alerts.retain(|known| known.id != alert.id);
            self.alerts.push(alert);
        }
        for incident in step.incidents {
            let before =
                self.incidents.iter().find(|known| known.id == incident.id).map_or(0, |known| known.revision);
            assert_eq!(incident.revision, before + 1);
            self.incidents.retain(|known| known.id != incident.id);
            self.incidents.push(incident);
        }
        for event in &step.events {
            let last = self.events.iter().filter(|known| known.incident_id == event.incident_id).count();
            assert_eq!(usize::try_from(event.sequence).unwrap(), last + 1, "sequences have no gap");
            self.events.push(event.clone());
        }
        step.events
            .iter()
            .map(|event| event.kind.as_str().trim_start_matches("incident.").to_owned())
            .collect()
    }

    fn call(&mut self, signals: Vec<Signal>) -> Vec<String> {
        self.call_after(1, signals)
    }

    fn only(&self) -> &Incident {
        assert_eq!(self.incidents.len(), 1);
        self.incidents.first().unwrap()
    }
}

fn signal(fingerprint: &str, status: SignalStatus) -> Signal {
    Signal {
        fingerprint: fingerprint.into(),
        status,
        title: format!("{fingerprint} is slow"),
        ..Signal::default()
    }
}

fn firing(fingerprint: &str) -> Signal {
    signal(fingerprint, SignalStatus::Firing)
}

fn resolved(fingerprint: &str) -> Signal {
    signal(fingerprint, SignalStatus::Resolved)
}

fn grouped(signal: Signal) -> Signal {
    Signal { grouping_key: Some("g".into()), ..signal }
}

fn severe(signal: Signal, severity: Severity) -> Signal {
    Signal { severity: Some(severity), ..signal }
}

#[test]
fn one_alert_from_beginning_to_end() {
    let mut world = world(&serde_json::json!({}));
    assert_eq!(world.call(vec![firing("a")]), ["created"]);
    assert_eq!(world.call(vec![firing("a")]), Vec::<String>::new());
    assert_eq!(world.call(vec![severe(firing("a"), Severity::Critical)]), ["updated"]);
    assert_eq!(world.call(vec![resolved("a")]), ["resolved"]);
    assert_eq!(world.call(vec![resolved("a")]), Vec::<String>::new());
    let incident = world.only();
    assert_eq!((incident.status, incident.severity), (IncidentStatus::Fixed, Severity::Critical));
    assert_eq!((incident.alerts.total, incident.alerts.firing(), incident.sequence), (1, 0, 3));
}

#[test]
fn firing_again_reopens_within_the_window_and_begins_anew_past_it() {
    let mut world = world(&serde_json::json!({"reopen_window_seconds": 60}));
    world.call(vec![firing("a")]);
    world.call(vec![resolved("a")]);
    assert_eq!(world.call_after(60, vec![firing("a")]), ["reopened"]);
    assert_eq!((world.only().alerts.total, world.only().alerts.firing()), (1, 1));
    world.call(vec![resolved("a")]);
    assert_eq!(world.call_after(61, vec![firing("a")]), ["created"]);
    assert_eq!(world.incidents.len(), 2);
}

#[test]
fn a_group_is_one_incident_and_one_call_about_it_one_event() {
    let mut world = world(&serde_json::json!({}));
    assert_eq!(world.call(vec![grouped(firing("a")), grouped(firing("b"))]), ["created"]);
    assert_eq!(
        world.call(vec![
            grouped(firing("a")),
            grouped(resolved("b")),
            grouped(severe(firing("c"), Severity::High))
        ]),
        ["updated"]
    );
    assert_eq!((world.only().alerts.total, world.only().alerts.firing()), (3, 2));
    assert_eq!(world.only().severity, Severity::High);
    assert_eq!(world.call(vec![grouped(resolved("a")), grouped(resolved("c"))]), ["resolved"]);
    assert_eq!(world.only().status, IncidentStatus::Fixed);
}

#[test]
fn grouping_by_alert_is_a_setting() {
    let mut world = world(&serde_json::json!({"group_by": "alert"}));
    assert_eq!(world.call(vec![grouped(firing("a")), grouped(firing("b"))]), ["created", "created"]);
}

#[test]
fn an_unknown_resolution_makes_no_incident_until_its_beginning_comes() {
    let mut world = world(&serde_json::json!({}));
    let at = |seconds| Some(Timestamp::from_seconds(seconds));
    let end = Signal { started_at: at(10), ended_at: at(20), ..resolved("a") };
    assert_eq!(world.call(vec![end]), Vec::<String>::new());
    assert!(world.incidents.is_empty() && world.alerts.len() == 1);
    let late = Signal { started_at: at(10), ..firing("a") };
    assert_eq!(world.call(vec![late.clone()]), ["created", "resolved"]);
    assert_eq!(world.call(vec![late]), Vec::<String>::new());
    assert_eq!(world.only().alerts.firing(), 0);
}

#[test]
fn a_person_may_be_needed_to_resolve() {
    let mut world = world(&serde_json::json!({"resolve": "person"}));
    world.call(vec![firing("a")]);
    assert_eq!(world.call(vec![resolved("a")]), ["updated"]);
    assert_eq!(world.only().status, IncidentStatus::Open);
}

#[test]
fn the_sources_own_acknowledgement_and_facts_are_taken_over() {
    let mut world = world(&serde_json::json!({}));
    let mut acknowledged = signal("a", SignalStatus::Acknowledged);
    acknowledged.source.owner = Patch::Set("ana@example.com".into());
    acknowledged.source.comment = Some("looking".into());
    assert_eq!(world.call(vec![acknowledged]), ["created", "acknowledged", "owner_changed", "commented"]);
    assert_eq!(world.call(vec![firing("a")]), ["status_changed"]);
    assert_eq!(world.only().status, IncidentStatus::Open);
}

/// What a source that tells its own status says.
fn told(status: Option<IncidentStatus>) -> Signal {
    let mut signal = signal(
        "a",
        match status {
            None => SignalStatus::Firing,
            Some(status) if status.is_resolved() => SignalStatus::Resolved,
            Some(_) => SignalStatus::Acknowledged,
        },
    );
    signal.source.feedback = status.map_or(Patch::Cleared, Patch::Set);
    signal
}

#[test]
fn the_status_told_at_the_source_is_taken_over_by_one_event_each() {
    use IncidentStatus as S;
    let mut world = world(&serde_json::json!({}));
    for (status, events) in [
        (None, &["created"][..]),
        (Some(S::Acknowledged), &["acknowledged"]),
        (Some(S::WorkInProgress), &["status_changed"]),
        (Some(S::WorkInProgress), &[]),
        (None, &["status_changed"]),
        (Some(S::WorkInProgress), &["status_changed"]),
        (Some(S::Acknowledged), &["acknowledged"]),
        (Some(S::Expected), &["resolved"]),
        (Some(S::Expected), &[]),
        (Some(S::FalsePositive), &["status_changed"]),
        (None, &["reopened"]),
        (Some(S::NoActionNeeded), &["resolved"]),
    ] {
        assert_eq!(world.call(vec![told(status)]), events, "{status:?}");
        assert_eq!(world.only().status, status.unwrap_or_default());
    }
}

#[test]
fn a_severity_declared_at_the_source_acknowledges_only_when_the_source_says_so() {
    let mut world = world(&serde_json::json!({}));
    world.call(vec![told(None)]);
    let mut marked = signal("a", SignalStatus::Updated);
    marked.source.declared_severity = Patch::Set(DeclaredSeverity::Sev2);
    assert_eq!(world.call(vec![marked]), ["severity_declared"]);
    assert_eq!(world.only().status, IncidentStatus::Open);
    let mut marked = told(Some(IncidentStatus::Acknowledged));
    marked.source.declared_severity = Patch::Set(DeclaredSeverity::Sev1);
    assert_eq!(world.call(vec![marked]), ["acknowledged", "severity_declared"]);
    let mut unmarked = signal("a", SignalStatus::Updated);
    unmarked.source.declared_severity = Patch::Cleared;
    assert_eq!(world.call(vec![unmarked]), ["severity_cleared"]);
    assert_eq!(world.only().status, IncidentStatus::Acknowledged);
}

#[test]
fn what_the_source_only_repeats_does_not_undo_what_was_decided_here() {
    let all_said = |owner: Patch<String>| {
        let mut signal = told(None);
        signal.source.declared_severity = Patch::Cleared;
        signal.source.owner = owner;
        signal
    };
    let mut world = world(&serde_json::json!({}));
    world.call(vec![all_said(Patch::Unchanged)]);
    let decided = Incident {
        status: IncidentStatus::Acknowledged,
        declared_severity: Some(DeclaredSeverity::Sev1),
        ..world.only().clone()
    };
    world.incidents = vec![decided];
    assert_eq!(world.call(vec![all_said(Patch::Set("ana@example.com".into()))]), ["owner_changed"]);
    assert_eq!(world.call(vec![all_said(Patch::Unchanged)]), Vec::<String>::new());
    assert_eq!(world.only().status, IncidentStatus::Acknowledged);
    assert_eq!(world.only().declared_severity, Some(DeclaredSeverity::Sev1));
    world.call(vec![told(Some(IncidentStatus::Fixed))]);
    assert_eq!(world.call(vec![told(Some(IncidentStatus::Expected))]), ["status_changed"]);
    assert_eq!(world.call(vec![told(Some(IncidentStatus::Fixed))]), ["status_changed"]);
    let mut owned = signal("a", SignalStatus::Updated);
    owned.source.owner = Patch::Cleared;
    assert_eq!(world.call(vec![owned.clone()]), ["owner_changed"]);
    assert_eq!(world.call(vec![owned]), Vec::<String>::new());
}

#[test]
fn a_resolved_incident_does_not_swallow_a_new_alert_of_its_group() {
    let mut world = world(&serde_json::json!({"reopen_window_seconds": 0}));
    world.call(vec![grouped(firing("a"))]);
    world.call(vec![grouped(resolved("a"))]);
    assert_eq!(world.call(vec![grouped(firing("b"))]), ["created"]);
    assert_eq!(world.incidents.len(), 2);
}

#[test]
fn severity_follows_the_worst_alert_that_is_not_over() {
    let mut world = world(&serde_json::json!({}));
    world.call(vec![
        grouped(severe(firing("a"), Severity::Critical)),
        grouped(severe(firing("b"), Severity::Low)),
    ]);
    assert_eq!(world.only().severity, Severity::Critical);
    assert_eq!(world.call(vec![grouped(resolved("a"))]), ["updated"]);
    assert_eq!(world.only().severity, Severity::Low);
}

#[test]
fn nothing_understood_is_ignored_and_says_why() {
    let mut world = world(&serde_json::json!({}));
    assert_eq!(world.call(Vec::new()), Vec::<String>::new());
}

/// What Anomify's three posts say of one anomaly: `[initial, correlated, final]`.
fn anomify_posts() -> [Vec<Signal>; 3] {
    let source = bugle_platforms::table::source("anomify").unwrap();
    let found = r#""cross correlations":{"dock-1.load":{"coefficient":0.97,"shifted":0,"shifted_coefficient":0.97}},"possible related anomalies":{"611":{"metric":"dock-1.load","timestamp":840}},"#;
    let end = r#""end_timestamp":960,"#;
    [String::new(), found.to_owned(), format!("{found}{end}")].map(|said| {
        let body = format!(
            r#"{{"data":{{"anomaly":{{"anomalyScore":0.8,{said}"id":"612","metric":"dock-1.disk.busy","timestamp":900,"value":93.1}}}},"status":{{}}}}"#
        );
        let inbound = bugle_platforms::Inbound { query: "", headers: &[], body: body.as_bytes() };
        source.decode(&inbound, &serde_json::Map::new()).unwrap().signals
    })
}

#[test]
fn an_anomaly_is_one_incident_in_every_order_of_its_posts() {
    let posts = anomify_posts();
    for (order, expected) in [
        (&[0, 1, 2][..], &["created", "updated", "resolved"][..]),
        (&[0, 0, 1, 1, 2, 2], &["created", "updated", "resolved"]),
        (&[1, 0, 2], &["created", "resolved"]),
        (&[0, 2, 1], &["created", "resolved"]),
        (&[1, 2, 0], &["created", "resolved"]),
        (&[2, 0, 1], &["created", "resolved"]),
        (&[2, 1, 0], &["created", "resolved"]),
        (&[1, 2], &["created", "resolved"]),
        (&[0, 2], &["created", "resolved"]),
        (&[2], &["created", "resolved"]),
    ] {
        let mut world = world(&serde_json::json!({}));
        let told: Vec<String> = order.iter().flat_map(|post| world.call(posts[*post].clone())).collect();
        assert_eq!(told, expected, "{order:?}");
        let incident = world.only();
        assert_eq!((incident.status, incident.severity), (IncidentStatus::Fixed, Severity::High));
        assert_eq!((incident.alerts.total, incident.alerts.firing()), (1, 0), "{order:?}");
        assert_eq!(incident.started_at, Timestamp::from_seconds(900));
        let alert = world.events.last().and_then(|event| event.alert.as_deref()).unwrap();
        let found = (alert.signal.correlations.len(), alert.signal.related.len());
        assert_eq!(found, (1, 1), "{order:?}: the end tells what was found");
    }
}

#[test]
fn what_an_analysis_finds_is_an_update_that_says_so() {
    let mut world = world(&serde_json::json!({}));
    let [initial, correlated, _] = anomify_posts();
    world.call(initial);
    world.call(correlated);
    let event = world.events.last().unwrap();
    let fields: Vec<&str> = event.changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!((event.kind, fields), (EventKind::Updated, vec!["correlations", "related"]));
    assert_eq!((&event.changes[0].from, &event.changes[0].to), (&0.into(), &1.into()));
}
