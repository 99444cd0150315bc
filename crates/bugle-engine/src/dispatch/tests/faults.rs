//! What may go wrong around the dispatcher: a store that refuses or is down, a clock that is turned, receivers that
//! break off, and names that do not resolve.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::task::AbortOnDropHandle;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn an_outcome_that_the_store_never_takes_holds_up_no_other() {
    let receiver = good().await;
    let stage = Stage::by_hand();
    let destination = configured(1, &receiver);
    for incident in 1..=40 {
        stage.add(&destination, incident, 1);
    }
    let (never, without_record) = (DeliveryId::from_i64(7), DeliveryId::from_i64(21));
    {
        let mut kept = stage.store.state();
        kept.refused.insert(never);
        kept.refused_attempts.insert(without_record);
    }
    stage.run(&[&destination]);
    stage.until_delivered(&destination, 39).await;
    {
        let mut kept = stage.store.state();
        assert_eq!(kept.rows[&without_record].attempts.len(), 0);
        assert_eq!(kept.rows[&never].delivery.state, DeliveryState::Pending);
        kept.refused.clear();
    }
    stage.until_delivered(&destination, 40).await;
}

#[tokio::test]
async fn while_the_store_is_down_little_is_sent_and_nothing_is_lost_or_sent_twice() {
    let receiver = good().await;
    let stage = Stage::by_hand();
    let destination = configured(1, &receiver);
    for incident in 1..=200 {
        stage.add(&destination, incident, 1);
    }
    stage.store.state().is_down = true;
    stage.run(&[&destination]);
    stage.store.until("the store was asked again and again", |state| state.failed >= 4).await;
    let sent = receiver.calls().len();
    assert!((1..=16).contains(&sent), "{sent} outcomes wait for the store");
    stage.store.state().is_down = false;
    stage.until_delivered(&destination, 200).await;
    assert_eq!(receiver.calls().len(), 200);
}

#[tokio::test]
async fn attempts_are_made_when_they_are_due_and_not_before() {
    let receiver = Receiver::start(|_| Answer::Status(500)).await;
    let stage = Stage::by_hand();
    let mut destination = configured(1, &receiver);
    destination.circuit_policy.failure_threshold = 1_000;
    destination.retry.max_attempts = 5;
    stage.add(&destination, 1, 1);
    stage.run(&[&destination]);
    for (failed, wait_s) in [(1, 5), (2, 10), (3, 20), (4, 40)] {
        stage.until_failed(failed).await;
        stage.pass(wait_s - 1);
        stage.until_looked().await;
        assert!(stage.store.state().rows.values().all(|row| !row.is_claimed), "a second early");
        assert_eq!(receiver.calls().len(), failed);
        stage.pass(1);
    }
    let id = destination.id;
    stage.store.until("given up on", |state| state.count(id, DeliveryState::Dead) == 1).await;
    assert_eq!(receiver.calls().len(), 5);
}

#[tokio::test]
async fn very_many_due_retries_leave_slots_to_first_tries() {
    let receiver = Receiver::start(|_| Answer::Status(500)).await;
    let stage = Stage::by_hand();
    let mut destination = configured(1, &receiver);
    destination.circuit_policy.failure_threshold = u32::MAX;
    for incident in 1..=100 {
        stage.add(&destination, incident, 1);
    }
    stage.run(&[&destination]);
    stage.until_failed(100).await;
    receiver.answer_from_now_on(|_| Answer::Hang);
    stage.pass(3_600);
    receiver.until_calls(102).await;
    stage.until_looked().await;
    assert_eq!(receiver.calls().len(), 102, "half of the slots retry, and the others are kept");
    receiver.answer_from_now_on(|_| Answer::Status(200));
    for incident in 101..=150 {
        stage.add(&destination, incident, 1);
    }
    stage.dispatcher.wake_all();
    stage.until_delivered(&destination, 50).await;
}

#[tokio::test]
async fn a_backlog_of_first_tries_leaves_a_slot_to_retries() {
    let receiver = Receiver::start(|_| Answer::Status(500)).await;
    let stage = Stage::by_hand();
    let destination = configured(1, &receiver);
    stage.add(&destination, 1, 1);
    stage.run(&[&destination]);
    stage.until_failed(1).await;
    receiver.answer_from_now_on(|_| Answer::Hang);
    for incident in 2..=100 {
        stage.add(&destination, incident, 1);
    }
    stage.pass(60);
    receiver.until_calls(1 + usize::from(destination.concurrency)).await;
    let calls = receiver.calls();
    let retried = calls.iter().filter(|call| call.incident == calls[0].incident).count();
    assert_eq!(retried, 2, "99 first tries were due a few seconds before the retry");
}

#[tokio::test]
async fn a_clock_that_jumps_makes_no_storm_and_no_stall() {
    let receiver = Receiver::start(|_| Answer::Status(500)).await;
    let stage = Stage::by_hand();
    let destination = configured(1, &receiver);
    for incident in 1..=30 {
        stage.add(&destination, incident, 1);
    }
    stage.run(&[&destination]);
    stage.until_open(&destination).await;
    for _ in 0..3 {
        let before = receiver.calls().len();
        stage.clock.advance(HOUR * 5);
        stage.dispatcher.wake_all();
        stage.until_failed(before + 1).await;
        stage.until_open(&destination).await;
        stage.clock.set(stage.clock.now().minus(HOUR * 7));
        stage.dispatcher.wake_all();
        stage.until_looked_at_clock(&destination).await;
        assert_eq!(receiver.calls().len(), before + 1, "one probe for each time that its time came");
    }
    receiver.answer_from_now_on(|_| Answer::Status(200));
    stage.add(&destination, 31, 1);
    stage.pass(600);
    stage.until_delivered(&destination, 31).await;
}

#[tokio::test]
async fn retries_do_not_wait_for_a_clock_that_was_turned_back() {
    for (ahead, back) in [(Duration::ZERO, HOUR * 3), (HOUR * 12, HOUR * 12), (HOUR * 3, HOUR * 15)] {
        let receiver = Receiver::start(|_| Answer::Status(500)).await;
        let stage = Stage::by_hand();
        let destination = configured(1, &receiver);
        stage.add(&destination, 1, 1);
        stage.clock.advance(ahead);
        stage.run(&[&destination]);
        stage.until_failed(1).await;
        receiver.answer_from_now_on(|_| Answer::Status(200));
        stage.clock.set(stage.clock.now().minus(Duration::from_millis(900)));
        stage.until_looked().await;
        assert_eq!(receiver.calls().len(), 1, "the clock was only adjusted");
        stage.clock.set(stage.clock.now().minus(back));
        stage.add(&destination, 2, 1);
        stage.dispatcher.wake_all();
        stage.until_delivered(&destination, 2).await;
    }
}

/// The one that opened it is no more: this process finds it open.
#[tokio::test]
async fn a_circuit_does_not_wait_for_a_clock_that_was_turned_back_before_the_start() {
    let receiver = good().await;
    let stage = Stage::by_hand();
    let destination = configured(1, &receiver);
    stage.add(&destination, 1, 1);
    let later = |seconds| Some(NOW.plus(HOUR * 3 + Duration::from_secs(seconds)));
    let circuit = Circuit {
        phase: CircuitPhase::Open,
        consecutive_failures: 3,
        opened_at: later(0),
        wait_until: later(30),
    };
    stage.dispatcher.set_destinations(vec![(Arc::new(destination.clone()), circuit)]);
    stage.until_looked_at_clock(&destination).await;
    assert_eq!(stage.circuit(&destination).wait_until, Some(NOW.plus(Duration::from_secs(30))));
    stage.pass(30);
    stage.until_delivered(&destination, 1).await;
}

/// Answers the first call with half of a body, and the others well.
async fn breaks_off_once() -> (std::net::SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio_util::task::TaskTracker::new().spawn(async move {
        for answer in ["content-length: 100\r\n\r\nhalf", "content-length: 0\r\n\r\n"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{answer}").as_bytes()).await.unwrap();
        }
    });
    (address, AbortOnDropHandle::new(task))
}

#[tokio::test]
async fn what_breaks_off_or_has_no_address_is_tried_again_and_holds_up_no_other() {
    let healthy = good().await;
    let (breaking, _task) = breaks_off_once().await;
    let stage = Stage::by_hand();
    let mut broken = configured(1, &healthy);
    broken.url = format!("http://{breaking}/hook").parse().unwrap();
    let mut unknown = configured(2, &healthy);
    unknown.url = "http://nowhere.invalid/hook".parse().unwrap();
    let other = configured(3, &healthy);
    for destination in [&broken, &unknown, &other] {
        stage.add(destination, destination.id.as_i64(), 1);
    }
    stage.run(&[&broken, &unknown, &other]);
    stage.until_delivered(&other, 1).await;
    for (destination, reason) in [(&broken, Reason::Io), (&unknown, Reason::Dns)] {
        let tried = |row: &store::Row| {
            row.delivery.destination_id == destination.id && row.delivery.reason == Some(reason.to_string())
        };
        stage.store.until("failed for its reason", |state| state.rows.values().any(tried)).await;
    }
    unknown.url = other.url.clone();
    unknown.updated_at = NOW.plus(Duration::from_secs(1));
    stage.run(&[&broken, &unknown, &other]);
    stage.pass(5);
    stage.until_delivered(&broken, 1).await;
    stage.until_delivered(&unknown, 1).await;
}
