//! Nothing is lost, nothing comes twice, and nobody waits for who is slow.

use bugle_model::{Incident, SystemClock, Timestamp, event::Event};
use bugle_store::{Step, Store, conformance::sample};
use bugle_store_sqlite::{Options, SqliteStore};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::EngineSettings;

const PATIENCE: Duration = Duration::from_secs(30);

struct Stage {
    engine: Arc<Engine>,
    _folder: TempDir,
}

impl Stage {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap());
        let engine = Engine::open(store, Arc::new(SystemClock), EngineSettings::default()).await.unwrap();
        engine.start();
        Self { engine, _folder: folder }
    }

    /// Commits one event with this id.
    async fn commit(&self, id: i64) {
        let incident: Incident = sample::incident(id, IntegrationId::from_i64(5));
        let event: Event = sample::event(id, &incident);
        let at = Timestamp::from_millis(id);
        let step = Step { at, incidents: vec![incident], events: vec![event], ..Step::default() };
        self.engine.commit(step).await.unwrap();
    }

    fn tell_many(&self, count: usize) {
        for number in 0..count {
            let destination_id = DestinationId::from_i64(i64::try_from(number).unwrap());
            let news = CircuitNews { destination_id, phase: CircuitPhase::Open };
            self.engine.feed().tell(|| News::Circuit(news));
        }
    }
}

async fn next(listener: &mut Listener) -> News {
    timeout(PATIENCE, listener.next()).await.expect("news in time").unwrap().expect("news before the end")
}

/// The ids of the next events; notices between them are passed over.
async fn events(listener: &mut Listener, count: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    while ids.len() < count {
        if let News::Event(committed) = next(listener).await {
            ids.push(committed.event.id.as_i64());
        }
    }
    ids
}

#[tokio::test]
async fn who_comes_first_hears_what_comes_after() {
    let stage = Stage::open().await;
    stage.commit(10).await;
    let mut first = stage.engine.listen(None).await.unwrap();
    for id in [12, 11, 13] {
        stage.commit(id).await;
    }
    assert_eq!(events(&mut first, 3).await, [12, 11, 13]);
    // Who comes later, while the feed runs, and who comes once everybody has gone.
    let mut second = stage.engine.listen(None).await.unwrap();
    stage.commit(14).await;
    assert_eq!(events(&mut second, 1).await, [14]);
    drop((first, second));
    stage.commit(15).await;
    let mut third = stage.engine.listen(None).await.unwrap();
    stage.commit(16).await;
    assert_eq!(events(&mut third, 1).await, [16]);
}

#[tokio::test]
async fn who_comes_back_goes_on_where_it_was() {
    let stage = Stage::open().await;
    let mut listener = stage.engine.listen(None).await.unwrap();
    let count = 3 * i64::from(PAGE);
    let mut seen = Vec::new();
    let committing = async {
        for id in 1..=count {
            // Pairs of ids overtake each other.
            stage.commit(if id % 2 == 1 { id + 1 } else { id - 1 }).await;
        }
    };
    let listening = async {
        while seen.len() < usize::try_from(count).unwrap() {
            seen.extend(events(&mut listener, 1).await);
            if seen.len() % 7 == 0 {
                listener = stage.engine.listen(Some(listener.position())).await.unwrap();
            }
        }
    };
    tokio::join!(committing, listening);
    let expected: Vec<_> = (1..=count).map(|id| if id % 2 == 1 { id + 1 } else { id - 1 }).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn who_is_slow_is_told_of_a_gap_and_misses_no_event() {
    let stage = Stage::open().await;
    let mut slow = stage.engine.listen(None).await.unwrap();
    for id in 1..=150 {
        stage.commit(id).await;
    }
    // The events must have been sent before the notices push them out.
    let mut quick = stage.engine.listen(Some(Cursor(0))).await.unwrap();
    assert_eq!(events(&mut quick, 150).await.len(), 150);
    stage.tell_many(KEPT_MAX + 200);
    let News::Gap { missed } = next(&mut slow).await else { panic!("a gap comes first") };
    assert!(missed >= 200, "{missed}");
    assert_eq!(events(&mut slow, 150).await, (1..=150).collect::<Vec<_>>());
    stage.commit(151).await;
    assert_eq!(events(&mut slow, 1).await, [151]);
}

#[tokio::test]
async fn a_position_from_another_database_is_a_gap() {
    let stage = Stage::open().await;
    stage.commit(10).await;
    let mut listener = stage.engine.listen(Some(Cursor(1_000))).await.unwrap();
    assert!(matches!(next(&mut listener).await, News::Gap { missed: 0 }));
    stage.commit(11).await;
    assert_eq!(events(&mut listener, 1).await, [11]);
}

#[tokio::test]
async fn places_are_bounded_and_free_again() {
    let stage = Stage::open().await;
    let mut listeners = Vec::new();
    for _ in 0..limits::STREAM_LISTENERS_MAX {
        listeners.push(stage.engine.listen(None).await.unwrap());
    }
    assert!(matches!(stage.engine.listen(None).await, Err(ListenError::Full)));
    listeners.pop();
    stage.engine.listen(None).await.unwrap();
    drop(listeners);
    assert!(!stage.engine.feed().is_heard());
    stage.engine.feed().tell(|| panic!("nobody listens"));
}

#[tokio::test]
async fn the_end_of_the_engine_is_the_end_of_the_stream() {
    let stage = Stage::open().await;
    let mut listener = stage.engine.listen(None).await.unwrap();
    let ending = stage.engine.shutdown(PATIENCE);
    let (ended, ()) = tokio::join!(timeout(PATIENCE, listener.next()), ending);
    assert!(ended.expect("an end in time").unwrap().is_none());
}
