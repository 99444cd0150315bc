//! The dispatcher on the real embedded store.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use bugle_model::{DeliveryId, IncidentId};
use bugle_store::{NewDelivery, PageRequest, Step};
use bugle_store_sqlite::{Options, SqliteStore};
use http_body_util::{BodyExt, Full};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::Notify};

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

/// Counts calls and does nothing else.
async fn counting() -> (std::net::SocketAddr, Arc<(AtomicUsize, Notify)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counted = Arc::new((AtomicUsize::new(0), Notify::new()));
    let (tracker, tally) = (TaskTracker::new(), Arc::clone(&counted));
    tracker.clone().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tally = Arc::clone(&tally);
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let tally = Arc::clone(&tally);
                async move {
                    request.into_body().collect().await.unwrap();
                    tally.0.fetch_add(1, Ordering::Relaxed);
                    tally.1.notify_one();
                    Ok::<_, Infallible>(http::Response::new(Full::<bytes::Bytes>::default()))
                }
            });
            tracker.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, counted)
}

/// Prints how fast a backlog drains, signed, receiver included: run it by name with `--release -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, and asserts nothing about speed"]
async fn rate_of_draining_a_backlog() {
    const EVENTS: usize = 40_000;
    for fan_out in [1_i64, 5] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let (address, counted) = counting().await;
        let receiver = good().await;
        let mut destinations = Vec::new();
        for number in 1..=fan_out {
            let mut destination = configured(number, &receiver);
            destination.url = format!("http://{address}/{number}").parse().unwrap();
            destination.dialect = "standard-webhooks".into();
            destination.secrets = vec![Secret {
                id: SecretId::from_i64(number),
                value: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=".to_owned().into(),
                created_at: NOW,
                expires_at: None,
            }];
            destination.concurrency = 32;
            store.put_destination(destination.clone()).await.unwrap();
            destinations.push(destination);
        }
        let destinations: Vec<&Destination> = destinations.iter().collect();
        for batch in 0..40 {
            commit(store.as_ref(), &destinations, batch * 1_000 + 1..batch * 1_000 + 1_001, 1).await;
        }
        let total = EVENTS * usize::try_from(fan_out).unwrap();
        let began = Instant::now();
        let dispatcher = start(&store).await;
        while counted.0.load(Ordering::Relaxed) < total {
            counted.1.notified().await;
        }
        let arrived = began.elapsed();
        until_settled(store.as_ref()).await;
        let settled = began.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = |took: Duration| total as f64 / took.as_secs_f64();
        println!(
            "fan-out {fan_out}: {total} arrived at {:.0}/s, settled at {:.0}/s",
            rate(arrived),
            rate(settled)
        );
        let mut took_us = Vec::new();
        for incident in 100_001..100_601 {
            let before = counted.0.load(Ordering::Relaxed);
            let began = Instant::now();
            commit(store.as_ref(), &destinations, incident..incident + 1, 1).await;
            let committed = began.elapsed();
            for destination in &destinations {
                dispatcher.wake(destination.id);
            }
            while counted.0.load(Ordering::Relaxed) < before + destinations.len() {
                counted.1.notified().await;
            }
            took_us.push(began.elapsed().saturating_sub(committed).as_micros());
            tokio::time::sleep(Duration::from_millis(5).saturating_sub(began.elapsed())).await;
        }
        took_us.sort_unstable();
        println!("about 200/s: committed to arrived p50 {} µs, p99 {} µs", took_us[300], took_us[594]);
        dispatcher.shutdown(Duration::from_secs(5)).await;
    }
}
