//! Alerts and incidents whose text is in the event that left them so.
#![expect(clippy::unwrap_used, reason = "a test stops at the first problem")]

use std::path::Path;

use bugle_model::{Alert, Event, Incident, IncidentStatus, IntegrationId};
use bugle_store::{IncidentFilter, PageRequest, PruneBefore, Step, Store, conformance::sample};
use bugle_store_sqlite::{Options, SqliteStore};

const OF: IntegrationId = IntegrationId::from_i64(5);
const ALL: PageRequest = PageRequest { cursor: None, limit: 100 };

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, Options::default()).unwrap()
}

/// How many alerts and how many incidents have an event that holds them, and no text of their own.
fn held(folder: &Path) -> (i64, i64) {
    let connection = rusqlite::Connection::open(folder.join("bugle.db")).unwrap();
    let count = |table: &str, condition: &str| -> i64 {
        let question = format!("SELECT count(*) FROM {table} WHERE {condition}");
        connection.query_row(&question, [], |row| row.get(0)).unwrap()
    };
    let held = |table| {
        let held = count(table, "document = '' AND event_id IN (SELECT id FROM event)");
        let own = count(table, "length(document) > 0 AND event_id IS NULL");
        assert_eq!(held + own, 1, "each {table} has its text in one place");
        held
    };
    (held("alert"), held("incident"))
}

/// A first step with an incident, its alert and the event that tells of both.
fn first() -> (Incident, Alert, Event) {
    let incident = sample::incident(1, OF);
    let alert = sample::alert(2, &incident);
    let event = Event {
        alert_id: Some(alert.id),
        alert: Some(Box::new(alert.clone())),
        ..sample::event(3, &incident)
    };
    (incident, alert, event)
}

async fn commit(store: &SqliteStore, incident: &Incident, alert: &Alert, event: Option<Event>) {
    let step = Step {
        at: sample::NOON,
        incidents: vec![incident.clone()],
        alerts: vec![alert.clone()],
        events: Vec::from_iter(event),
        ..Step::default()
    };
    store.commit(step).await.unwrap();
}

/// Reads both in each way there is.
async fn check(store: &SqliteStore, incident: &Incident, alert: &Alert) {
    let (key, only) = (vec![(OF, alert.fingerprint.clone())], [alert.clone()]);
    assert_eq!(store.alerts_by_key(key).await.unwrap(), only);
    assert_eq!(store.alerts_of(incident.id, ALL).await.unwrap().data, only);
    let only = [incident.clone()];
    assert_eq!(store.incident(incident.id).await.unwrap().as_ref(), Some(incident));
    assert_eq!(store.incidents_for(vec![incident.id], vec![]).await.unwrap(), only);
    assert_eq!(store.incidents_for(vec![], vec![incident.grouping_key.clone()]).await.unwrap(), only);
    assert_eq!(store.incidents(IncidentFilter::default(), ALL).await.unwrap().data, only);
    let other = Incident { grouping_key: incident.grouping_key.clone(), ..sample::incident(99, OF) };
    if incident.is_resolved() {
        assert_eq!(store.related(&other, 5).await.unwrap(), only);
    } else {
        assert_eq!(store.worst_open(5).await.unwrap(), only);
    }
}

#[tokio::test]
async fn what_is_as_its_event_has_it_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (mut incident, mut alert, event) = first();
    commit(&store, &incident, &alert, Some(event.clone())).await;
    assert_eq!(held(folder.path()), (1, 1));
    check(&store, &incident, &alert).await;

    // The same again is no event: what changed is written where it is.
    alert.signals += 1;
    incident.revision += 1;
    incident.updated_at = sample::after(5);
    commit(&store, &incident, &alert, None).await;
    assert_eq!(held(folder.path()), (0, 0));
    check(&store, &incident, &alert).await;

    // An event that tells of the incident alone.
    incident.revision += 1;
    incident.sequence += 1;
    (incident.status, incident.resolved_at) = (IncidentStatus::Fixed, Some(sample::after(6)));
    commit(&store, &incident, &alert, Some(sample::event(4, &incident))).await;
    assert_eq!(held(folder.path()), (0, 1));
    check(&store, &incident, &alert).await;
    drop(store);
    check(&open(folder.path()), &incident, &alert).await;
}

#[tokio::test]
async fn what_changed_after_its_event_is_not_taken_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (incident, alert, event) = first();
    let incident = Incident { updated_at: sample::after(1), ..incident };
    let alert = Alert { signals: 7, ..alert };
    commit(&store, &incident, &alert, Some(event)).await;
    assert_eq!(held(folder.path()), (0, 0));
    check(&store, &incident, &alert).await;
}

#[tokio::test]
async fn an_incident_that_goes_step_by_step_can_be_read_until_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (incident, alert, event) = first();
    commit(&store, &incident, &alert, Some(event)).await;
    let (mut last, mut firing) = (incident, alert);
    for number in 2..10 {
        (last.revision, last.sequence) = (number, number);
        (last.status, last.resolved_at) = (IncidentStatus::Fixed, Some(sample::NOON));
        firing.signals += 1;
        firing.last_seen_at = sample::after(7_200);
        let event =
            Event { alert: Some(Box::new(firing.clone())), ..sample::event(i64::from(number) + 10, &last) };
        commit(&store, &last, &firing, Some(event)).await;
    }
    assert_eq!(held(folder.path()), (1, 1));
    let before = PruneBefore { receipts: None, incidents: Some(sample::after(3_600)) };
    let mut steps = 0;
    while store.prune(before, 1).await.unwrap().more {
        steps += 1;
        if let Some(read) = store.incident(last.id).await.unwrap() {
            assert_eq!(read, last, "after {steps} steps");
        }
    }
    assert!(steps > 5, "{steps} steps");
    assert_eq!(store.incident(last.id).await.unwrap(), None);
    let left = store.alerts_by_key(vec![(OF, firing.fingerprint.clone())]).await.unwrap();
    assert_eq!(left, [Alert { incident_id: None, ..firing }], "it still fires");
    assert!(store.latest_events(10).await.unwrap().is_empty());
}
