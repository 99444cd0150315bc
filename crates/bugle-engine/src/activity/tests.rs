use std::sync::Arc;

use bugle_model::{Clock as _, ManualClock, id::Id};
use bugle_store::{Store, conformance::sample};
use bugle_store_sqlite::{Options, SqliteStore};

use super::*;
use crate::EngineSettings;

const SOURCE: IntegrationId = IntegrationId::from_i64(5);

async fn hub(store: &Arc<dyn Store>, clock: &Arc<ManualClock>) -> Arc<Engine> {
    Engine::open(store.clone(), clock.clone(), EngineSettings::default()).await.unwrap()
}

#[tokio::test]
async fn a_restart_keeps_the_day_and_when_a_source_was_last_heard() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap());
    let clock = Arc::new(ManualClock::new(sample::NOON));
    store.put_integration(sample::integration(5)).await.unwrap();
    store.append(sample::receipt(1, SOURCE)).await.unwrap();
    let engine = hub(&store, &clock).await;
    let mut is_restored = false;
    engine.keep_activity(&mut is_restored).await.unwrap();
    for (what, seconds) in
        [(Heard::Accepted, 0), (Heard::Accepted, 60), (Heard::Rejected, 61), (Heard::Undecodable, 600)]
    {
        engine.activity().heard("grafana", SOURCE, what, sample::after(seconds));
    }
    clock.set(sample::after(600));
    let calls = engine.activity().calls(clock.now());
    assert_eq!((calls.len(), calls[0].platform, calls[0].total), (1, "grafana", 3), "{calls:?}");
    assert_eq!(calls[0].counts.len(), 144);
    assert_eq!(calls[0].counts[142..], [1, 2], "ten minutes up to now are the last step");
    let heard = engine.activity().of_source(SOURCE, clock.now());
    assert_eq!((heard.accepted, heard.rejected, heard.undecodable, heard.not_stored), (2, 1, 1, 0));
    engine.keep_activity(&mut is_restored).await.unwrap();
    engine.keep_activity(&mut is_restored).await.unwrap();

    let next = hub(&store, &clock).await;
    next.keep_activity(&mut false).await.unwrap();
    assert_eq!(next.activity().calls(clock.now()), calls);
    let heard = next.activity().of_source(SOURCE, clock.now());
    assert_eq!((heard.accepted, heard.last_heard_at), (0, Some(sample::NOON)));
    clock.set(sample::after(24 * 3_600 + 61));
    assert_eq!(next.activity().calls(clock.now())[0].total, 1);
}

#[tokio::test]
async fn what_was_deleted_is_let_go_of() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap());
    let clock = Arc::new(ManualClock::new(sample::NOON));
    store.put_integration(sample::integration(5)).await.unwrap();
    store.put_destination(sample::destination(7)).await.unwrap();
    let engine = hub(&store, &clock).await;
    for id in [5, 6] {
        engine.activity().heard("grafana", Id::from_i64(id), Heard::Accepted, sample::NOON);
    }
    for id in [7, 8] {
        engine.activity().sent(Id::from_i64(id), true, Duration::from_millis(4), sample::NOON);
    }
    engine.keep_activity(&mut false).await.unwrap();
    let heard = |id| engine.activity().of_source(Id::from_i64(id), sample::NOON).accepted;
    let sent = |id| engine.activity().of_destination(Id::from_i64(id), sample::NOON);
    assert_eq!((heard(5), heard(6)), (1, 0));
    assert_eq!((sent(7).delivered, sent(7).p95_ms, sent(8).delivered), (1, Some(5), 0));
}

#[tokio::test]
async fn the_overview_tells_how_things_stand() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap());
    let clock = Arc::new(ManualClock::new(sample::NOON));
    store.put_integration(sample::integration(5)).await.unwrap();
    store.put_destination(sample::destination(7)).await.unwrap();
    let incident = sample::incident(1, SOURCE);
    let own = bugle_model::Incident { platform: "bugle".to_owned(), ..sample::incident(2, SOURCE) };
    let step =
        bugle_store::Step { incidents: vec![incident.clone(), own.clone()], ..bugle_store::Step::default() };
    store.commit(step).await.unwrap();
    let engine = hub(&store, &clock).await;
    clock.set(sample::after(7_200));
    engine.activity().heard("grafana", SOURCE, Heard::Accepted, clock.now());
    let overview = engine.overview().await.unwrap();
    assert_eq!(overview.counted_since, sample::after(3_600));
    assert_eq!((overview.incidents.len(), overview.incidents[0].count), (1, 2));
    assert_eq!(overview.worst_open, [own.clone(), incident]);
    assert_eq!(overview.own, [own]);
    assert_eq!((overview.sources.len(), overview.sources[0].heard.accepted), (1, 1));
    assert_eq!((overview.destinations.len(), overview.destinations[0].waiting), (1, 0));
    assert_eq!(overview.calls.len(), 1);
}
