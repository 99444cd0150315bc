//! What is wrong becomes one incident, changes when it becomes worse, and ends by itself.

use bugle_model::{
    Circuit, Clock, Delivery, DestinationId, Event, EventKind, Incident, IncidentStatus, IntegrationId,
    ManualClock, id::Id,
};
use bugle_store::{
    DeliveryFilter, IncidentFilter, Next, PageRequest, Settlement, Step, Store, conformance::sample,
};
use bugle_store_sqlite::{Options, SqliteStore};
use serde_json::json;

use super::*;
use crate::{
    EngineSettings,
    config::{ConfigError, IntegrationPatch, NewDestination},
    ingest::Refusal,
};

const ALL: PageRequest = PageRequest { cursor: None, limit: 200 };
const OF: IntegrationId = IntegrationId::from_i64(5);

/// A hub at noon whose clock is turned by hand and whose pipeline stands still.
struct Hub {
    engine: Arc<Engine>,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    memory: Memory,
    _folder: tempfile::TempDir,
}

impl Hub {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap());
        let clock = Arc::new(ManualClock::new(sample::NOON));
        let settings = EngineSettings {
            allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
            ..EngineSettings::default()
        };
        let engine = Engine::open(store.clone(), clock.clone(), settings).await.unwrap();
        Self { engine, store, clock, memory: Memory::default(), _folder: folder }
    }

    /// A destination where nobody listens.
    async fn destination(&self, name: &str) -> DestinationId {
        let new = json!({"name": name, "url": "http://127.0.0.1:9/hook"});
        let new: NewDestination = serde_json::from_value(new).unwrap();
        self.engine.create_destination(new).await.unwrap().0.id
    }

    /// An event of a new incident, on its way to a destination since now.
    async fn delivery(&self, id: i64, to: DestinationId) {
        let incident = sample::incident(id, OF);
        let event = sample::event(id, &incident);
        let step = Step {
            at: self.clock.now(),
            deliveries: vec![sample::delivery(id, &event, to)],
            incidents: vec![incident],
            events: vec![event],
            ..Step::default()
        };
        self.store.commit(step).await.unwrap();
    }

    async fn delivered(&self, delivery: &Delivery) {
        let settlement = Settlement { delivery_id: delivery.id, attempt: None, next: Next::Delivered };
        self.store.settle(vec![settlement], Vec::new()).await.unwrap();
    }

    /// What waits for a destination.
    async fn waiting(&self, to: DestinationId) -> Vec<Delivery> {
        let filter = DeliveryFilter { destination_id: Some(to), ..DeliveryFilter::default() };
        let mut all = self.store.deliveries(filter, ALL).await.unwrap().data;
        all.retain(|delivery| delivery.settled_at.is_none());
        all
    }

    async fn look_after(&mut self, seconds: u64) -> Vec<Incident> {
        self.clock.advance(Duration::from_secs(seconds));
        self.engine.look(&mut self.memory).await.unwrap();
        let filter = IncidentFilter { platform: Some(SLUG.to_owned()), ..IncidentFilter::default() };
        self.store.incidents(filter, ALL).await.unwrap().data
    }

    async fn timeline(&self, incident: &Incident) -> Vec<EventKind> {
        let events: Vec<Event> = self.store.timeline(incident.id, ALL).await.unwrap().data;
        events.iter().map(|event| event.kind).collect()
    }
}

#[tokio::test]
async fn a_backlog_is_one_incident_from_too_old_to_gone() {
    let mut hub = Hub::open().await;
    let (down, up) = (hub.destination("Down").await, hub.destination("Up").await);
    hub.delivery(11, down).await;
    assert!(hub.look_after(299).await.is_empty());
    let [incident] = hub.look_after(1).await.try_into().unwrap();
    assert_eq!(
        (incident.severity, incident.status, incident.verified),
        (Severity::High, IncidentStatus::Open, true)
    );
    assert_eq!(incident.title, "Deliveries to \"Down\" wait");
    assert_eq!(hub.waiting(up).await.len(), 1, "the other destination is told");
    for _ in 0..3 {
        hub.look_after(30).await;
    }
    // Another process takes over, and knows what was told.
    hub.memory = Memory::default();
    hub.look_after(30).await;
    assert_eq!(hub.timeline(&incident).await, [EventKind::Created]);
    let [worse] = hub.look_after(3600).await.try_into().unwrap();
    assert_eq!(worse.severity, Severity::Critical);
    assert_eq!(hub.timeline(&incident).await, [EventKind::Created, EventKind::Updated]);
    // What is left are deliveries of this very incident, which keep nothing going.
    for delivery in hub.waiting(down).await.iter().filter(|delivery| delivery.incident_id != incident.id) {
        hub.delivered(delivery).await;
    }
    assert!(!hub.waiting(down).await.is_empty());
    let [over] = hub.look_after(5).await.try_into().unwrap();
    assert_eq!(over.status, IncidentStatus::Fixed);
    assert_eq!(hub.look_after(7200).await.len(), 1, "its own deliveries, however old, begin nothing");
    assert_eq!(hub.timeline(&incident).await.last(), Some(&EventKind::Resolved));
}

#[tokio::test]
async fn a_clock_that_steps_back_keeps_no_incident_open() {
    let mut hub = Hub::open().await;
    let down = hub.destination("Down").await;
    hub.delivery(11, down).await;
    hub.look_after(400).await;
    hub.clock.set(sample::NOON);
    let [over] = hub.look_after(0).await.try_into().unwrap();
    assert_eq!(over.status, IncidentStatus::Fixed);
}

#[tokio::test]
async fn calls_that_wait_are_told_of_while_the_pipeline_stands_still() {
    let mut hub = Hub::open().await;
    hub.store.append(sample::receipt(1, OF)).await.unwrap();
    assert!(hub.look_after(59).await.is_empty());
    let [incident] = hub.look_after(1).await.try_into().unwrap();
    assert_eq!(
        (incident.title.as_str(), incident.severity),
        ("Accepted calls wait to be read", Severity::High)
    );
    let metrics = hub.engine.metrics_text().await.unwrap();
    for line in ["bugle_inbox_pending 1\n", "bugle_inbox_age_seconds 60.0\n"] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
    assert_eq!(hub.engine.process_batch().await.unwrap(), 1);
    assert_eq!(hub.look_after(5).await[0].status, IncidentStatus::Fixed);
}

#[tokio::test]
async fn calls_that_could_not_be_stored_are_told_of_for_a_minute() {
    let mut hub = Hub::open().await;
    assert!(hub.look_after(5).await.is_empty());
    hub.engine.metrics().inbox.not_stored.inc_by(3);
    assert_eq!(hub.look_after(5).await[0].severity, Severity::Critical);
    assert_eq!(hub.look_after(59).await[0].status, IncidentStatus::Open);
    assert_eq!(hub.look_after(1).await[0].status, IncidentStatus::Fixed);
}

#[tokio::test]
async fn a_destination_disabled_by_itself_is_told_of_and_one_disabled_by_a_person_is_not() {
    let mut hub = Hub::open().await;
    let (gone, other) = (hub.destination("Gone").await, hub.destination("Other").await);
    hub.delivery(11, gone).await;
    let patch = serde_json::from_value(json!({"enabled": false})).unwrap();
    hub.engine.patch_destination(&other.to_string(), patch).await.unwrap();
    hub.engine.disable_destination(gone, "it answered 410".to_owned()).await.unwrap();
    let [incident] = hub.look_after(5).await.try_into().unwrap();
    assert!(incident.description.as_ref().unwrap().contains("it answered 410"));
    assert_eq!(hub.look_after(600).await.len(), 1, "what waits for it is told of by the same incident");
    assert_eq!(hub.timeline(&incident).await, [EventKind::Created]);
    hub.engine.enable_destination(&gone.to_string()).await.unwrap();
    assert_eq!(hub.look_after(5).await[0].status, IncidentStatus::Open, "what waited is late");
    hub.engine.delete_destination(&gone.to_string()).await.unwrap();
    let over = hub.look_after(5).await;
    assert_eq!((over.len(), over[0].status), (1, IncidentStatus::Fixed));
}

#[tokio::test]
async fn nobody_calls_or_changes_the_built_in_integration() {
    let hub = Hub::open().await;
    let id = BUILT_IN_ID.to_string();
    let refused = hub.engine.admit(SLUG, &id, IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap_err();
    assert!(
        matches!(&refused, Refusal::IntegrationNotFound(why) if why.contains("takes no calls")),
        "{refused}"
    );
    for refused in [
        hub.engine.patch_integration(&id, IntegrationPatch::default()).await.map(drop),
        hub.engine.add_integration_secret(&id, "a secret".into(), None).await.map(drop),
        hub.engine.remove_integration_secret(&id, "sec_0000000000000").await,
        hub.engine.delete_integration(&id).await,
    ] {
        assert!(matches!(refused, Err(ConfigError::Invalid { field: "id", .. })), "{refused:?}");
    }
    assert!(hub.engine.integration(&id).unwrap().is_built_in());
    assert!(hub.engine.integrations().is_empty());
}

#[test]
fn late_begins_at_the_bound_ends_at_half_of_it_and_never_becomes_less_severe() {
    use Severity::{Critical, High};
    let now = sample::after(100_000);
    for (age, told, expected) in [
        (0, None, None),
        (299, None, None),
        (300, None, Some(High)),
        (3599, None, Some(High)),
        (3600, None, Some(Critical)),
        (299, Some(High), Some(High)),
        (150, Some(High), Some(High)),
        (149, Some(High), None),
        (3600, Some(High), Some(Critical)),
        (200, Some(Critical), Some(Critical)),
        (149, Some(Critical), None),
    ] {
        let since = now.minus(Duration::from_secs(age));
        let late = Late::at(now, since, Duration::from_mins(5), told.as_ref());
        let destination = sample::destination(50);
        let severity =
            late.and_then(|late| finding::backlog(&destination, &Circuit::default(), 1, late).severity);
        assert_eq!(severity, expected, "{age} s after {told:?}");
    }
    let id: DestinationId = Id::from_i64(50);
    assert_eq!(finding::subjects_of(id)[0], finding::backlog_of(id));
}
