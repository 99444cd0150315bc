//! The dispatcher against real receivers, with a store in memory that can be told to fail, and mostly with a clock
//! that is turned by hand.

mod embedded;
mod faults;
mod receiver;
mod store;

use std::collections::BTreeMap;

use bugle_model::{
    DeliveryState, ManualClock, RetryPolicy, Secret, SecretId, SystemClock, Timestamp,
    delivery::Reason,
    destination::{CircuitPolicy, Filter, OnOpen},
};
use bugle_platforms::{
    Notice, Outbound, RenderError,
    dialect::Wishes,
    scheme::{Hmac, Scheme},
};
use serde_json::{Map, Value, json};

use self::{
    receiver::{Answer, Receiver},
    store::MemoryStore,
};
use super::*;
use crate::send::SenderOptions;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// Writes what the test receiver reads. Settings make it fail or have no word.
struct Plain;

impl Dialect for Plain {
    fn slug(&self) -> &'static str {
        "plain"
    }
    fn title(&self) -> &'static str {
        "Plain"
    }
    fn check(&self, _: &Wishes<'_>) -> Result<(), String> {
        Ok(())
    }
    fn render(&self, notice: &Notice<'_>, wishes: &Wishes<'_>) -> Result<Option<Outbound>, RenderError> {
        match wishes.settings.get("mood").and_then(Value::as_str) {
            Some("speechless") => return Ok(None),
            Some("confused") => return Err(RenderError("the template has no such field".into())),
            Some("panicking") => panic!("a defect in a dialect"),
            _ => {}
        }
        let event = notice.event;
        let body = json!({ "incident": event.incident_id, "sequence": event.sequence, "event": event.id });
        let headers = wishes.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Some(Outbound {
            headers,
            secret_headers: Vec::new(),
            body_holds_secret: false,
            body: body.to_string().into_bytes(),
        }))
    }
    fn scheme(&self, _: &Map<String, Value>) -> Option<Scheme> {
        Some(Scheme::Hmac(Hmac::sha256_hex("X-Signature", "sha256=")))
    }
}

#[derive(Default)]
struct Reins {
    disabled: Mutex<Vec<(DestinationId, String)>>,
}

#[async_trait]
impl Control for Reins {
    async fn disable(&self, destination_id: DestinationId, reason: String) -> Result<(), StoreError> {
        self.disabled.lock().unwrap().push((destination_id, reason));
        Ok(())
    }
}

struct Silent;

impl Observer for Silent {
    fn attempt(&self, _: &Destination, _: &Verdict, _: f64) {}
    fn outcome(&self, _: &Delivery) {}
    fn circuit(&self, _: DestinationId, _: CircuitPhase) {}
}

fn dispatcher(store: Arc<dyn Store>, clock: Arc<dyn Clock>, reins: Arc<Reins>) -> Dispatcher {
    let allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let sender = Sender::new(SenderOptions { allowed_networks }).unwrap();
    Dispatcher::start(DispatcherParts {
        dialect: |slug| if slug == "plain" { Some(&Plain) } else { table::dialect(slug) },
        ..DispatcherParts::new(store, sender, clock, reins, Arc::new(Silent))
    })
}

struct Stage {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    reins: Arc<Reins>,
    dispatcher: Dispatcher,
}

impl Stage {
    fn by_hand() -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        Self::with_clock(clock.clone(), clock)
    }

    fn by_the_wall() -> Self {
        Self::with_clock(Arc::new(ManualClock::new(NOW)), Arc::new(SystemClock))
    }

    fn with_clock(clock: Arc<ManualClock>, used: Arc<dyn Clock>) -> Self {
        let (store, reins) = (Arc::new(MemoryStore::default()), Arc::new(Reins::default()));
        let dispatcher = dispatcher(store.clone(), used, reins.clone());
        Self { store, clock, reins, dispatcher }
    }

    fn add(&self, destination: &Destination, incident: i64, events: u32) {
        self.store.add(destination.id, incident, events, NOW);
    }

    fn run(&self, destinations: &[&Destination]) {
        let all = destinations.iter().map(|one| (Arc::new((*one).clone()), Circuit::default())).collect();
        self.dispatcher.set_destinations(all);
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.dispatcher.wake_all();
    }

    async fn until_delivered(&self, destination: &Destination, count: usize) {
        let id = destination.id;
        self.store.until("delivered", |state| state.count(id, DeliveryState::Delivered) == count).await;
    }

    async fn until_failed(&self, count: usize) {
        let attempts =
            |state: &store::State| state.rows.values().map(|row| row.attempts.len()).sum::<usize>();
        self.store.until("attempts", |state| attempts(state) == count).await;
    }

    /// Until every lane has looked into the store again, and found out what is due.
    async fn until_looked(&self) {
        let before = self.store.state().looks;
        self.dispatcher.wake_all();
        self.store.until("looked", |state| state.looks > before).await;
    }

    async fn until_open(&self, destination: &Destination) {
        let id = destination.id;
        let is_open = |circuit: &Circuit| circuit.phase == CircuitPhase::Open;
        self.store.until("open", |state| state.circuits.get(&id).is_some_and(is_open)).await;
        self.store.until("given back", |state| state.rows.values().all(|row| !row.is_claimed)).await;
    }

    /// Until the destination's circuit waits no longer than a circuit may.
    async fn until_looked_at_clock(&self, destination: &Destination) {
        let longest = circuit::OPEN_MAX + Duration::from_secs(1);
        let looking = async {
            while self
                .circuit(destination)
                .wait_until
                .is_some_and(|until| until.since(self.clock.now()) > longest)
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looking).await.expect("the circuit heeds the clock");
    }

    fn circuit(&self, destination: &Destination) -> Circuit {
        let circuits = self.dispatcher.circuits();
        circuits.into_iter().find(|(id, _)| *id == destination.id).unwrap().1
    }
}

fn configured(number: i64, receiver: &Receiver) -> Destination {
    Destination {
        id: DestinationId::from_i64(number),
        name: format!("receiver {number}"),
        dialect: "plain".into(),
        url: format!("http://{}/hook", receiver.address).parse().unwrap(),
        method: "POST".into(),
        secrets: Vec::new(),
        headers: BTreeMap::new(),
        events: Vec::new(),
        filter: Filter::default(),
        template: None,
        retry: RetryPolicy { initial_delay_ms: 5_000, jitter: 0.0, ..RetryPolicy::default() },
        circuit_policy: CircuitPolicy { failure_threshold: 3, open_ms: 30_000, on_open: OnOpen::Pause },
        settings: Map::new(),
        concurrency: 4,
        timeout_ms: 10_000,
        enabled: true,
        disabled_reason: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

/// A claimed delivery that was tried this often.
pub(super) fn due(attempts: u32, at: Timestamp) -> bugle_store::Due {
    let untried = store::delivery(1, DestinationId::from_i64(1), IncidentId::from_i64(1), 1, at);
    bugle_store::Due {
        event: store::event(&untried).into(),
        documents: std::sync::Arc::default(),
        delivery: bugle_model::Delivery { attempts, ..untried },
    }
}

async fn good() -> Receiver {
    Receiver::start(|_| Answer::Status(200)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_incident_arrives_in_order_although_a_third_of_the_answers_fail() {
    let receiver = Receiver::start(|number| Answer::Status(if number % 3 == 1 { 500 } else { 200 })).await;
    let stage = Stage::by_the_wall();
    let mut destination = configured(1, &receiver);
    destination.retry.initial_delay_ms = 1;
    destination.retry.max_delay_ms = 2;
    destination.circuit_policy.failure_threshold = 1_000;
    for incident in 1..=30 {
        stage.add(&destination, incident, 5);
    }
    stage.run(&[&destination]);
    stage.until_delivered(&destination, 150).await;
    let mut arrived: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for call in receiver.calls().iter().filter(|call| call.status == 200) {
        arrived.entry(call.incident.clone()).or_default().push(call.sequence);
    }
    assert_eq!(arrived.len(), 30);
    for (incident, sequences) in arrived {
        assert_eq!(sequences, [1, 2, 3, 4, 5], "{incident}");
    }
    assert!(receiver.open_max() <= 4, "{} at once", receiver.open_max());
}

#[tokio::test]
async fn every_attempt_carries_the_same_event_id() {
    let receiver = Receiver::start(|number| Answer::Status(if number < 2 { 503 } else { 200 })).await;
    let stage = Stage::by_hand();
    let destination = configured(1, &receiver);
    stage.add(&destination, 1, 1);
    stage.run(&[&destination]);
    for failed in 1..=2 {
        stage.until_failed(failed).await;
        stage.pass(60);
    }
    stage.until_delivered(&destination, 1).await;
    let events: Vec<String> = receiver.calls().into_iter().map(|call| call.event).collect();
    assert_eq!(events.len(), 3);
    assert!(events.windows(2).all(|pair| pair[0] == pair[1]), "{events:?}");
}

#[tokio::test]
async fn gone_disables_keeps_the_delivery_and_enabling_sends_it() {
    let receiver = Receiver::start(|_| Answer::Status(410)).await;
    let stage = Stage::by_hand();
    let mut destination = configured(1, &receiver);
    destination.concurrency = 1;
    stage.add(&destination, 1, 1);
    stage.add(&destination, 2, 1);
    stage.run(&[&destination]);
    stage.until_failed(1).await;
    stage
        .store
        .until("the other is given back", |state| state.rows.values().all(|row| !row.is_claimed))
        .await;
    assert_eq!(receiver.calls().len(), 1, "nothing more is sent");
    let disabled = stage.reins.disabled.lock().unwrap().clone();
    assert_eq!(disabled.len(), 1);
    assert!(disabled[0].1.contains("410"), "{disabled:?}");
    stage.run(&[&Destination { enabled: false, ..destination.clone() }]);
    receiver.answer_from_now_on(|_| Answer::Status(200));
    stage.run(&[&destination]);
    stage.until_delivered(&destination, 2).await;
}

#[tokio::test]
async fn the_circuit_opens_probes_and_then_everything_arrives() {
    let receiver = Receiver::start(|_| Answer::Status(500)).await;
    let stage = Stage::by_hand();
    let destination = configured(1, &receiver);
    for incident in 1..=20 {
        stage.add(&destination, incident, 1);
    }
    stage.run(&[&destination]);
    stage
        .store
        .until("opened", |state| {
            state.circuits.get(&destination.id).is_some_and(|circuit| circuit.phase == CircuitPhase::Open)
        })
        .await;
    stage.store.until("all given back", |state| state.rows.values().all(|row| !row.is_claimed)).await;
    let before = receiver.calls().len();
    assert!((3..=4).contains(&before), "no more than were under way: {before}");
    // One probe fails: twice the wait.
    stage.pass(30);
    stage.until_failed(before + 1).await;
    assert_eq!(stage.circuit(&destination).wait_until, Some(NOW.plus(Duration::from_secs(90))));
    receiver.answer_from_now_on(|_| Answer::Status(200));
    stage.pass(59);
    assert_eq!(stage.circuit(&destination).phase, CircuitPhase::Open);
    assert_eq!(receiver.calls().len(), before + 1);
    stage.pass(1);
    stage.until_delivered(&destination, 20).await;
    stage
        .store
        .until("closed", |state| state.circuits.get(&destination.id) == Some(&Circuit::default()))
        .await;
}

#[tokio::test]
async fn an_opened_circuit_can_disable() {
    let receiver = Receiver::start(|_| Answer::Status(500)).await;
    let stage = Stage::by_hand();
    let mut destination = configured(1, &receiver);
    destination.circuit_policy = CircuitPolicy { failure_threshold: 1, open_ms: 1, on_open: OnOpen::Disable };
    stage.add(&destination, 1, 1);
    stage.run(&[&destination]);
    stage.until_failed(1).await;
    stage.run(&[&Destination { enabled: false, ..destination.clone() }]);
    assert!(stage.reins.disabled.lock().unwrap()[0].1.contains("status_500"));
    receiver.answer_from_now_on(|_| Answer::Status(200));
    stage.run(&[&destination]);
    stage.pass(5);
    stage.until_delivered(&destination, 1).await;
}

#[tokio::test]
async fn retry_after_holds_the_whole_destination() {
    let receiver =
        Receiver::start(|number| if number == 0 { Answer::Wait(429, 100) } else { Answer::Status(200) })
            .await;
    let stage = Stage::by_hand();
    let mut destination = configured(1, &receiver);
    destination.concurrency = 1;
    for incident in 1..=3 {
        stage.add(&destination, incident, 1);
    }
    stage.run(&[&destination]);
    stage.until_failed(1).await;
    stage.store.until("all given back", |state| state.rows.values().all(|row| !row.is_claimed)).await;
    stage.pass(99);
    assert_eq!(stage.circuit(&destination).wait_until, Some(NOW.plus(Duration::from_secs(100))));
    assert_eq!(receiver.calls().len(), 1);
    stage.pass(1);
    stage.until_delivered(&destination, 3).await;
}

#[tokio::test]
async fn a_hanging_destination_holds_up_no_other() {
    let (hanging, healthy) = (Receiver::start(|_| Answer::Hang).await, good().await);
    let stage = Stage::by_hand();
    let (first, second) = (configured(1, &hanging), configured(2, &healthy));
    for incident in 1..=50 {
        stage.add(&first, incident, 1);
        stage.add(&second, incident, 1);
    }
    stage.run(&[&first, &second]);
    stage.until_delivered(&second, 50).await;
    assert_eq!(stage.store.state().count(first.id, DeliveryState::Delivered), 0);
    assert!(hanging.open_max() <= 4);
}

#[tokio::test]
async fn a_store_that_fails_costs_no_call_twice() {
    let receiver = good().await;
    let stage = Stage::by_hand();
    let destination = configured(1, &receiver);
    {
        let mut kept = stage.store.state();
        kept.failing_claims = 1;
        kept.failing_settles = 2;
    }
    for incident in 1..=10 {
        stage.add(&destination, incident, 2);
    }
    stage.run(&[&destination]);
    stage.until_delivered(&destination, 20).await;
    assert_eq!(stage.store.state().failed, 3, "the failures took place");
    assert_eq!(receiver.calls().len(), 20);
}

#[tokio::test]
async fn what_cannot_be_written_is_kept_and_what_has_no_word_is_skipped() {
    let receiver = good().await;
    let stage = Stage::by_hand();
    for (number, mood) in [(1, "confused"), (2, "speechless"), (3, "panicking")] {
        let mut destination = configured(number, &receiver);
        destination.settings.insert("mood".into(), mood.into());
        stage.add(&destination, number, 1);
        stage.run(&[&destination]);
        let id = destination.id;
        if mood == "speechless" {
            stage.store.until("skipped", |state| state.count(id, DeliveryState::Skipped) == 1).await;
            continue;
        }
        stage
            .store
            .until("tried", |state| {
                state.rows.values().any(|row| row.delivery.destination_id == id && !row.attempts.is_empty())
            })
            .await;
        {
            let kept = stage.store.state();
            let row = kept.rows.values().find(|row| row.delivery.destination_id == id).unwrap();
            assert_eq!(row.delivery.reason, Some(Reason::Render.to_string()), "{mood}");
            assert!(row.attempts[0].detail.is_some());
        }
        assert_eq!(
            stage.circuit(&destination),
            Circuit::default(),
            "{mood}: it says nothing about the receiver"
        );
        destination.settings.clear();
        destination.updated_at = NOW.plus(Duration::from_secs(1));
        stage.run(&[&destination]);
        stage.pass(10);
        stage.until_delivered(&destination, 1).await;
    }
}

#[tokio::test]
async fn the_record_tells_everything_but_secrets() {
    let receiver = Receiver::start(|_| Answer::Status(302)).await;
    let stage = Stage::by_hand();
    let mut destination = configured(1, &receiver);
    destination.secrets = vec![Secret {
        id: SecretId::from_i64(1),
        value: "signing-key-271828".to_owned().into(),
        created_at: NOW,
        expires_at: None,
    }];
    destination.headers.insert("X-Api-Token".into(), "tok-3141592".into());
    destination.url.set_query(Some("key=tok-3141592"));
    stage.add(&destination, 1, 1);
    stage.run(&[&destination]);
    stage.until_failed(1).await;
    let call = receiver.calls().remove(0);
    assert_eq!(call.headers["x-api-token"], "tok-3141592");
    assert!(call.headers["idempotency-key"].to_str().unwrap().starts_with("evt_"));
    assert!(call.headers["x-signature"].to_str().unwrap().starts_with("sha256="));
    let kept = stage.store.state();
    let attempt = &kept.rows.values().next().unwrap().attempts[0];
    assert!(
        attempt
            .request
            .headers
            .iter()
            .any(|(name, value)| name == "user-agent" && value.starts_with("Bugle/"))
    );
    assert!(
        attempt
            .request
            .headers
            .iter()
            .any(|(name, value)| name == "x-signature" && value.starts_with("sha256="))
    );
    assert!(attempt.request.body.contains("\"sequence\":1"));
    assert_eq!(attempt.response.as_ref().unwrap().status, 302);
    assert!(attempt.detail.as_ref().unwrap().contains("redirect"));
    let shown = serde_json::to_string(attempt).unwrap();
    assert!(!shown.contains("tok-3141592") && !shown.contains("signing-key"), "{shown}");
}

#[tokio::test]
async fn shutting_down_gives_back_what_is_not_done() {
    let receiver =
        Receiver::start(|number| if number == 0 { Answer::Hang } else { Answer::Status(200) }).await;
    let stage = Stage::by_hand();
    let mut destination = configured(1, &receiver);
    destination.concurrency = 1;
    for incident in 1..=10 {
        stage.add(&destination, incident, 1);
    }
    stage.run(&[&destination]);
    receiver.until_calls(1).await;
    stage.dispatcher.shutdown(Duration::from_millis(200)).await;
    let kept = stage.store.state();
    assert!(kept.rows.values().all(|row| !row.is_claimed && row.delivery.state == DeliveryState::Pending));
    assert_eq!(receiver.calls().len(), 1);
}

#[tokio::test]
async fn shutting_down_records_what_ends_in_time_and_ends_although_the_store_hangs() {
    let receiver = good().await;
    let stage = Stage::by_hand();
    let destination = configured(1, &receiver);
    stage.store.state().settles_hang = true;
    stage.add(&destination, 1, 1);
    stage.run(&[&destination]);
    receiver.until_calls(1).await;
    let ended =
        tokio::time::timeout(Duration::from_secs(10), stage.dispatcher.shutdown(Duration::from_millis(200)));
    ended.await.expect("it ends within its bound");
}

#[tokio::test]
async fn an_idle_lane_does_not_poll() {
    let receiver = good().await;
    let stage = Stage::by_hand();
    let destination = configured(1, &receiver);
    stage.add(&destination, 1, 3);
    stage.run(&[&destination]);
    stage.until_delivered(&destination, 3).await;
    let before = stage.store.state().looks;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = stage.store.state().looks;
    assert!(after - before <= 2, "{} looks while nothing happened", after - before);
}

#[tokio::test]
async fn mending_the_configuration_makes_an_open_circuit_probe_at_once() {
    let (bad, receiver) = (Receiver::start(|_| Answer::Status(500)).await, good().await);
    let stage = Stage::by_hand();
    let mut destination = configured(1, &bad);
    destination.circuit_policy.failure_threshold = 1;
    destination.concurrency = 1;
    stage.add(&destination, 1, 1);
    stage.add(&destination, 2, 1);
    stage.run(&[&destination]);
    stage.until_failed(1).await;
    destination.url = configured(1, &receiver).url;
    destination.updated_at = NOW.plus(Duration::from_secs(1));
    stage.run(&[&destination]);
    receiver.until_calls(1).await;
    assert_eq!(bad.calls().len(), 1);
}
