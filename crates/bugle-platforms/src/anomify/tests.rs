use std::collections::{BTreeMap, BTreeSet};

use bugle_model::{
    Actor, Alert, AlertId, AlertStatus, Event, EventKind, IncidentId, IntegrationId, Severity, Signal,
    SignalStatus, Timestamp,
    alert::{Meaning, fold},
};
use serde_json::Map;

use super::{Anomify, AnomifyDialect, wire};
use crate::{
    Dialect, Inbound, Notice, Source,
    dialect::{Wishes, tests::event},
};

const BEGAN: i64 = 1_790_000_000;

/// One anomaly's posts: `[initial, correlated, final]`.
fn posts(scores: [&str; 3], lasted: i64) -> [String; 3] {
    let found = r#""cross correlations":{"ferry-2.cpu.wait":{"coefficient":0.9750,"shifted":-1,"shifted_coefficient":0.98},"ferry-2.load":{"coefficient":-0.91,"shifted":0,"shifted_coefficient":-0.91}},"#;
    let near = r#""possible related anomalies":{"77001":{"metric":"ferry-2.load","timestamp":1789999940}},"possible related matches":{"5120":{"timestamp":1790000060,"fp id":812,"layer id":"None","metric":"ferry-3.redis.evicted"}},"#;
    let post = |score: &str, found: &str, end: &str, near: &str| {
        format!(
            r#"{{"data":{{"anomaly":{{"anomalyScore":{score},{found}{end}"id":"77002","metric":"ferry-2.disk.busy","#,
        ) + &format!(r#"{near}"timestamp":{BEGAN},"value":93.10}}}},"status":{{}}}}"#)
    };
    let end = format!(r#""end_timestamp":{},"#, BEGAN + lasted);
    [post(scores[0], "", "", ""), post(scores[1], found, "", near), post(scores[2], found, &end, near)]
}

fn decode(body: &str) -> Vec<Signal> {
    let inbound = Inbound { query: "", headers: &[], body: body.as_bytes() };
    Anomify.decode(&inbound, &Map::new()).unwrap().signals
}

fn run<'a>(bodies: impl IntoIterator<Item = &'a String>) -> (Alert, Vec<Meaning>) {
    let mut alert = None;
    let mut meanings = Vec::new();
    for signal in bodies.into_iter().flat_map(|body| decode(body)) {
        let (integration, at) = (IntegrationId::from_i64(7), Timestamp::from_seconds(1));
        let (mut folded, meaning) =
            fold(alert.take(), signal.bounded(), integration, Severity::Medium, at, || AlertId::from_i64(3));
        if matches!(meaning, Meaning::Opened | Meaning::OpenedLate) {
            folded.incident_id = Some(IncidentId::from_i64(9));
        }
        meanings.push(meaning);
        alert = Some(folded);
    }
    (alert.unwrap(), meanings)
}

/// Every order of every choice of 0, 1 and 2, each at most twice.
fn orders() -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    let mut begun: Vec<Vec<usize>> = vec![Vec::new()];
    while let Some(order) = begun.pop() {
        for post in 0..3 {
            if order.iter().filter(|known| **known == post).count() < 2 {
                let longer = [order.as_slice(), &[post]].concat();
                orders.push(longer.clone());
                begun.push(longer);
            }
        }
    }
    orders.into_iter().filter(|order| !order.is_empty()).collect()
}

/// What must not depend on the order, as text.
fn outcome(alert: &Alert) -> String {
    let mut signal = alert.signal.clone();
    (signal.raw, signal.observed_at) = (None, None);
    format!("{:?} {} {:?} {signal:?}", alert.status, alert.cycle, alert.severity)
}

#[test]
fn every_order_of_every_subset_with_the_final_post_ends_the_same() {
    for (scores, lasted) in
        [(["0.7", "0.7", "0.7"], 636), (["0.2", "0.95", "0.8"], 636), (["0.7"; 3], 0), (["0.7"; 3], -60)]
    {
        let posts = posts(scores, lasted);
        let (alone, meanings) = run([&posts[2]]);
        assert_eq!(meanings, [Meaning::Opened, Meaning::Resolved]);
        assert_eq!(alone.status, AlertStatus::Resolved);
        assert_eq!(alone.signal.started_at, Some(Timestamp::from_seconds(BEGAN)));
        assert_eq!(alone.signal.ended_at, Some(Timestamp::from_seconds(BEGAN + lasted.max(0))));
        let with_final: Vec<_> = orders().into_iter().filter(|order| order.contains(&2)).collect();
        assert_eq!(with_final.len(), 252);
        for order in with_final {
            let (alert, meanings) = run(order.iter().map(|post| &posts[*post]));
            assert_eq!(outcome(&alert), outcome(&alone), "{order:?}");
            let opened = meanings.iter().filter(|meaning| **meaning == Meaning::Opened).count();
            let resolved = meanings.iter().filter(|meaning| **meaning == Meaning::Resolved).count();
            assert_eq!((opened, resolved), (1, 1), "{order:?}: {meanings:?}");
        }
    }
}

#[test]
fn without_the_final_post_it_fires_and_knows_what_was_found() {
    let posts = posts(["0.7"; 3], 60);
    for order in orders().into_iter().filter(|order| !order.contains(&2)) {
        let (alert, _) = run(order.iter().map(|post| &posts[*post]));
        assert_eq!((alert.status, alert.cycle), (AlertStatus::Firing, 1), "{order:?}");
        let found = if order.contains(&1) { (2, 2) } else { (0, 0) };
        assert_eq!((alert.signal.correlations.len(), alert.signal.related.len()), found, "{order:?}");
    }
    let (_, meanings) = run([&posts[0], &posts[1]]);
    assert_eq!(meanings, [Meaning::Opened, Meaning::Updated], "what was found is an update");
}

#[test]
fn what_was_found_stays_when_the_final_post_lacks_it() {
    let [initial, correlated, _] = posts(["0.7"; 3], 60);
    let bare = initial.replace(r#""id""#, &format!(r#""end_timestamp":{},"id""#, BEGAN + 60));
    let (alert, _) = run([&initial, &correlated, &bare]);
    assert_eq!(alert.status, AlertStatus::Resolved);
    assert_eq!((alert.signal.correlations.len(), alert.signal.related.len()), (2, 2));
}

#[test]
fn scores_and_severities_stand_for_each_other() {
    for (score, severity) in [
        ("1", Some(Severity::Critical)),
        ("0.9", Some(Severity::Critical)),
        ("0.899", Some(Severity::High)),
        ("0.75", Some(Severity::High)),
        ("0.5", Some(Severity::Medium)),
        ("0.4999", Some(Severity::Low)),
        ("-1", Some(Severity::Low)),
        ("high", None),
    ] {
        assert_eq!(wire::severity(score), severity, "{score}");
    }
    for severity in [Severity::Critical, Severity::High, Severity::Medium, Severity::Low] {
        assert_eq!(wire::severity(wire::score(severity)), Some(severity));
    }
    assert_eq!(wire::severity(wire::score(Severity::Info)), Some(Severity::Low));
}

/// An event about an alert of Anomify's, as its source would make it.
fn own(kind: EventKind, alert: &Alert) -> Event {
    let mut event = event();
    let incident = &mut event.incident;
    incident.platform = "anomify".into();
    incident.grouping_key = format!("{}:{}", incident.integration_id, alert.fingerprint);
    incident.severity = alert.severity;
    incident.started_at = alert.signal.started_at.unwrap();
    incident.labels.clone_from(&alert.signal.labels);
    if kind == EventKind::Resolved {
        incident.resolved_at = Some(event.at);
    }
    Event { kind, alert: Some(Box::new(alert.clone())), ..event }
}

fn wishes<'a>(
    headers: &'a BTreeMap<String, String>,
    settings: &'a Map<String, serde_json::Value>,
) -> Wishes<'a> {
    Wishes { template: None, headers, settings, secret: Some("k-41") }
}

fn render(event: &Event) -> Option<String> {
    let (headers, settings) = (BTreeMap::new(), Map::new());
    let wishes = wishes(&headers, &settings);
    let rendered =
        AnomifyDialect.render(&Notice { event, incident_url: None, documents: None }, &wishes).unwrap()?;
    Some(String::from_utf8(rendered.body).unwrap())
}

#[test]
fn an_anomaly_of_anomifys_leaves_as_it_came() {
    let posts = posts(["0.70"; 3], 636);
    for (kind, taken) in [(EventKind::Created, 1), (EventKind::Updated, 2), (EventKind::Resolved, 3)] {
        let (alert, _) = run(&posts[..taken]);
        assert_eq!(render(&own(kind, &alert)).as_ref(), posts.get(taken - 1), "{kind:?}");
    }
    let (alert, _) = run([&posts[1]]);
    let first_heard = render(&own(EventKind::Created, &alert)).unwrap();
    assert_eq!(first_heard, posts[1], "what is known at the beginning is not held back");
}

#[test]
fn any_incident_keeps_its_identity_status_severity_and_times() {
    for severity in [Severity::Critical, Severity::High, Severity::Medium, Severity::Low] {
        let mut foreign = event();
        foreign.incident.severity = severity;
        let mut ids = BTreeSet::new();
        for (kind, status) in [
            (EventKind::Created, SignalStatus::Firing),
            (EventKind::Updated, SignalStatus::Updated),
            (EventKind::Resolved, SignalStatus::Resolved),
        ] {
            foreign.kind = kind;
            foreign.incident.resolved_at = (kind == EventKind::Resolved).then_some(foreign.at);
            let signal = decode(&render(&foreign).unwrap()).pop().unwrap();
            assert_eq!((signal.status, signal.severity), (status, Some(severity)));
            assert_eq!(signal.started_at, Some(foreign.incident.started_at));
            assert_eq!(signal.ended_at, foreign.incident.resolved_at);
            assert_eq!(signal.measurements[0].metric, "latency.p99");
            assert_eq!(signal.measurements[0].value.as_deref(), Some("2.10"));
            ids.insert(signal.fingerprint);
        }
        assert_eq!(ids, ["42".to_owned()].into());
    }
}

#[test]
fn what_is_missing_has_its_default() {
    let mut foreign = event();
    (foreign.kind, foreign.alert) = (EventKind::Resolved, None);
    foreign.actor = Actor::User { email: "ines@example.net".into() };
    foreign.incident.host = Some("quay-4.example.net".into());
    foreign.incident.title = "Checkout is slow".into();
    assert_eq!(
        render(&foreign).unwrap(),
        r#"{"data":{"anomaly":{"anomalyScore":0.8,"cross correlations":{},"end_timestamp":1772446500,"id":"42","metric":"quay-4_example_net.Checkout is slow","possible related anomalies":{},"possible related matches":{},"timestamp":1772446440,"value":0}},"status":{}}"#
    );
    foreign.kind = EventKind::Commented;
    assert_eq!(render(&foreign), None);
    foreign.kind = EventKind::Reopened;
    assert_eq!(render(&foreign), None);
}

#[test]
fn the_end_is_the_sources_unless_a_person_ended_it() {
    let (alert, _) = run(&posts(["0.7"; 3], 636));
    let mut ended = own(EventKind::Resolved, &alert);
    let end = |event: &Event| decode(&render(event).unwrap()).pop().unwrap().ended_at;
    ended.incident.resolved_at = Some(Timestamp::from_seconds(BEGAN + 900));
    assert!(matches!(ended.actor, Actor::Source { .. }));
    assert_eq!(end(&ended), Some(Timestamp::from_seconds(BEGAN + 636)));
    ended.actor = Actor::Timeout;
    assert_eq!(end(&ended), Some(Timestamp::from_seconds(BEGAN + 900)));
    ended.incident.resolved_at = Some(Timestamp::from_seconds(BEGAN - 900));
    assert_eq!(end(&ended), Some(Timestamp::from_seconds(BEGAN)), "no end is before its beginning");
}

#[test]
fn the_key_is_sent_as_anomify_sends_it() {
    let (headers, settings) = (BTreeMap::new(), Map::new());
    let mut wishes = wishes(&headers, &settings);
    assert_eq!(AnomifyDialect.check(&wishes), Ok(()));
    let scheme = AnomifyDialect.signing(&wishes).unwrap();
    let stamp = crate::dialect::Stamp { id: "e", at: Timestamp::from_seconds(0) };
    let proof = scheme.sign(&["k-41"], &stamp, b"{}").unwrap();
    assert_eq!(proof.headers, [("x-api-key".to_owned(), "k-41".to_owned())]);
    assert!(Anomify.schemes(&settings).contains(&scheme));

    let template = serde_json::json!({});
    wishes.template = Some(&template);
    assert!(AnomifyDialect.check(&wishes).unwrap_err().contains("remove the template"));
    wishes.template = None;
    let twice = [("X-API-Key".to_owned(), "other".to_owned())].into();
    wishes.headers = &twice;
    assert!(AnomifyDialect.check(&wishes).unwrap_err().contains("written by Bugle"));
    wishes.secret = None;
    assert_eq!(AnomifyDialect.check(&wishes), Ok(()));
}

#[test]
fn what_names_no_anomaly_is_refused_with_the_cure() {
    for (body, expected) in [
        (r#"{"data":{}}"#, "data.anomaly"),
        (r#"{"data":{"anomaly":[]}}"#, "data.anomaly"),
        (r#"{"data":{"anomaly":{"id":" "}}}"#, "`id`"),
        ("[]", "data.anomaly"),
    ] {
        let inbound = Inbound { query: "", headers: &[], body: body.as_bytes() };
        let message = Anomify.decode(&inbound, &Map::new()).unwrap_err().to_string();
        assert!(message.contains(expected), "{body}: {message}");
    }
    // An end that is no moment is no end, and an id that is a number names what the same text does.
    let odd = decode(r#"{"data":{"anomaly":{"id":77,"end_timestamp":"None"}}}"#);
    assert_eq!((odd.len(), odd[0].status, odd[0].fingerprint.as_str()), (1, SignalStatus::Firing, "77"));
}
