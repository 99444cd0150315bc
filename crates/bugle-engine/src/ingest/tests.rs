//! A call that is not handed over is taken in as the others are.

use bugle_model::{Clock as _, ManualClock, id::Id};
use bugle_platforms::source::SamplePhase;
use bugle_store::{IncidentFilter, PageRequest, Store, conformance::sample};
use bugle_store_sqlite::{Options, SqliteStore};
use serde_json::json;

use super::*;
use crate::EngineSettings;

/// Fills what is handed over, so that nothing else is.
fn fill_handover(engine: &Engine, at: Timestamp) {
    for number in 0.. {
        if !engine.handover().has_room() {
            return;
        }
        engine.handover().put(Ready {
            origin: Origin { receipt_id: Id::from_i64(-number), received_at: at, is_verified: true },
            integration_id: Id::from_i64(1),
            decoded: Decoded::ignored("a test"),
            bytes: 1,
        });
    }
}

#[tokio::test]
async fn without_room_to_hand_it_over_a_call_says_and_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap());
    let clock = Arc::new(ManualClock::new(sample::NOON));
    let engine = Engine::open(store.clone(), clock.clone(), EngineSettings::default()).await.unwrap();
    let mut incidents = 0;
    for is_full in [false, true] {
        if is_full {
            fill_handover(&engine, clock.now());
        }
        for source in table::SOURCES.iter().filter(|source| source.slug() != "bugle") {
            let slug = source.slug();
            let new = json!({"platform": slug, "name": slug});
            let integration = engine.create_integration(serde_json::from_value(new).unwrap()).await.unwrap();
            let id = integration.id.to_string();
            let sample = source.sample(SamplePhase::Firing, "disk/web-04", clock.now());
            let call = Call {
                method: "POST".to_owned(),
                query: String::new(),
                headers: sample.headers,
                body: sample.body.into(),
                remote_ip: [127, 0, 0, 1].into(),
                correlation_id: "a test".to_owned(),
            };
            let inbound = Inbound { query: "", headers: &call.headers, body: &call.body };
            let names = source.decode(&inbound, &integration.settings).unwrap().names();
            let admission = engine.admit(slug, &id, call.remote_ip).unwrap();
            let accepted = engine.ingest(&admission, call).await.unwrap();
            assert_eq!(
                (&accepted.alert_id, accepted.status),
                (&names.alert_id, Processing::Queued),
                "{slug}"
            );
            assert_eq!(engine.process_batch().await.unwrap(), 1, "{slug}");
            let receipt = store.receipt(accepted.receipt_id).await.unwrap().unwrap().0;
            assert_eq!(
                (receipt.state, receipt.alert_key),
                (ReceiptState::Processed, names.alert_id),
                "{slug}"
            );
            assert_eq!(receipt.senders_id.is_some(), names.delivery_id.is_some(), "{slug}");
            incidents += 1;
            let all = PageRequest { cursor: None, limit: 200 };
            assert_eq!(
                store.incidents(IncidentFilter::default(), all).await.unwrap().data.len(),
                incidents,
                "{slug}"
            );
        }
    }
}
