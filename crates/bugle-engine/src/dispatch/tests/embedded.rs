//! The dispatcher on the real embedded store.

use bugle_model::{DeliveryId, IncidentId};
use bugle_store::{NewDelivery, PageRequest, Step};
use bugle_store_sqlite::{Options, SqliteStore};

use super::*;

/// Commits `events` events of each incident in `incidents` for every destination.
async fn commit(
    store: &dyn Store,
    destinations: &[&Destination],
    incidents: std::ops::Range<i64>,
    events: u32,
) {
    let mut step = Step { at: NOW, ..Step::default() };
    for incident in incidents {
        for sequence in 1..=events {
            let number = incident * 1_000 + i64::from(sequence);
            let (nowhere, of) = (DestinationId::from_i64(0), IncidentId::from_i64(incident));
            let mut delivery = store::delivery(number, nowhere, of, sequence, NOW);
            let mut event = store::event(&delivery);
            event.incident.grouping_key = incident.to_string();
            for destination in destinations {
                delivery.destination_id = destination.id;
                step.deliveries.push(NewDelivery {
                    id: DeliveryId::from_i64(number * 100 + destination.id.as_i64()),
                    destination_id: destination.id,
                    incident_id: delivery.incident_id,
                    event_id: delivery.event_id,
                    sequence,
                });
            }
            if sequence == 1 {
                step.incidents.push(event.incident.clone());
            }
            step.events.push(event);
        }
    }
    store.commit(step).await.unwrap();
}

fn open(folder: &tempfile::TempDir) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap())
}

async fn start(store: &Arc<dyn Store>) -> Dispatcher {
    let dispatcher = dispatcher(Arc::clone(store), Arc::new(SystemClock), Arc::default());
    let stored = store.destinations().await.unwrap();
    dispatcher.set_destinations(stored.into_iter().map(|(one, circuit)| (Arc::new(one), circuit)).collect());
    dispatcher
}

async fn until_settled(store: &dyn Store) {
    let settling = async {
        while store.backlog().await.unwrap().iter().any(|backlog| backlog.unsettled > 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), settling).await.expect("everything is settled in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stopped_process_leaves_arrives_in_order_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|number| Answer::Status(if number % 3 == 1 { 500 } else { 200 })).await;
    let mut destination = configured(1, &receiver);
    destination.retry.initial_delay_ms = 1;
    destination.retry.max_delay_ms = 5;
    destination.circuit_policy.failure_threshold = 1_000;
    {
        let store = open(&folder);
        store.put_destination(destination.clone()).await.unwrap();
        commit(store.as_ref(), &[&destination], 1..21, 5).await;
        let dispatcher = start(&store).await;
        receiver.until_calls(20).await;
        dispatcher.shutdown(Duration::from_secs(5)).await;
    }
    let store = open(&folder);
    assert!(store.backlog().await.unwrap()[0].unsettled > 0, "it stopped in the middle");
    let dispatcher = start(&store).await;
    until_settled(store.as_ref()).await;
    dispatcher.shutdown(Duration::from_secs(5)).await;
    let mut arrived: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for call in receiver.calls().iter().filter(|call| call.status == 200) {
        arrived.entry(call.incident.clone()).or_default().push(call.sequence);
    }
    assert_eq!(arrived.len(), 20);
    for (incident, sequences) in arrived {
        assert_eq!(sequences, [1, 2, 3, 4, 5], "{incident}");
    }
    let one = DeliveryId::from_i64((1_000 + 1) * 100 + 1);
    let (delivery, attempts) = store.delivery(one).await.unwrap().unwrap();
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert_eq!(usize::try_from(delivery.attempts).unwrap(), attempts.len());
    assert_eq!(attempts.last().unwrap().response.as_ref().unwrap().status, 200);
    let first_page = PageRequest { cursor: None, limit: 200 };
    let events = store.timeline(delivery.incident_id, first_page).await.unwrap();
    assert_eq!(events.data.len(), 5);
}

/// A destination may be made on a runtime of the server's, which ends before the hub does.
#[tokio::test]
async fn lanes_are_at_home_where_the_dispatcher_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = good().await;
    let destination = configured(1, &receiver);
    let store = open(&folder);
    store.put_destination(destination.clone()).await.unwrap();
    commit(store.as_ref(), &[&destination], 1..3, 2).await;
    let dispatcher = Arc::new(dispatcher(Arc::clone(&store), Arc::new(SystemClock), Arc::default()));
    let elsewhere = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let maker = Arc::clone(&dispatcher);
    let make = move || {
        let _context = elsewhere.enter();
        maker.set_destinations(vec![(Arc::new(destination), Circuit::default())]);
    };
    std::thread::spawn(make).join().unwrap();
    until_settled(store.as_ref()).await;
    assert_eq!(receiver.calls().len(), 4);
    dispatcher.shutdown(Duration::from_secs(5)).await;
}
