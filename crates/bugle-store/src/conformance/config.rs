//! What people configure, and what the store keeps about itself.

use bugle_model::{
    ApiKey, IntegrationId, Scope,
    destination::{Circuit, CircuitPhase},
    id::Id,
};

use super::sample;
use crate::{Step, Store};

/// Secrets in their order included; a replacement replaces all of it; a deleted one does not come back.
pub async fn integrations_read_back_and_go(store: &dyn Store) {
    let mut kept = sample::integration(2);
    store.put_integration(sample::integration(1)).await.unwrap();
    store.put_integration(kept.clone()).await.unwrap();
    let read = store.integrations().await.unwrap().pop().unwrap();
    assert_eq!((read.id, &read.platform, &read.name), (kept.id, &kept.platform, &kept.name));
    assert_eq!((&read.allowed_ips, read.rate_limit), (&kept.allowed_ips, kept.rate_limit));
    assert_eq!((&read.settings, read.created_at), (&kept.settings, kept.created_at));
    let values: Vec<&str> = read.secrets.iter().map(bugle_model::Secret::expose).collect();
    assert_eq!(values, ["older secret", "newer secret"]);
    kept.secrets = vec![sample::secret(77, "only secret")];
    kept.secrets[0].expires_at = Some(sample::after(60));
    kept.enabled = false;
    store.put_integration(kept.clone()).await.unwrap();
    let read = store.integrations().await.unwrap().pop().unwrap();
    assert_eq!((read.secrets.len(), read.secrets[0].id.as_i64(), read.enabled), (1, 77, false));
    assert_eq!(read.secrets[0].expires_at, Some(sample::after(60)));
    store.delete_integration(kept.id, sample::after(1)).await.unwrap();
    store.put_integration(kept).await.unwrap();
    let left: Vec<i64> = store.integrations().await.unwrap().iter().map(|it| it.id.as_i64()).collect();
    assert_eq!(left, [1]);
}

/// A change to a destination leaves its circuit alone.
pub async fn destinations_read_back_and_keep_their_circuits(store: &dyn Store) {
    let kept = sample::destination(2);
    store.put_destination(kept.clone()).await.unwrap();
    let (read, circuit) = store.destinations().await.unwrap().pop().unwrap();
    assert_eq!((read.id, &read.name, &read.url), (kept.id, &kept.name, &kept.url));
    assert_eq!((&read.headers, &read.events, &read.filter), (&kept.headers, &kept.events, &kept.filter));
    assert_eq!((&read.template, &read.retry), (&kept.template, &kept.retry));
    assert_eq!((&read.circuit_policy, read.timeout_ms), (&kept.circuit_policy, kept.timeout_ms));
    assert_eq!((read.secrets[0].expose(), circuit), ("signing secret", Circuit::default()));
    let open = Circuit { phase: CircuitPhase::Open, opened_at: Some(sample::NOON), ..Circuit::default() };
    store.settle(Vec::new(), vec![(kept.id, open)]).await.unwrap();
    let renamed = bugle_model::Destination { name: "Renamed".to_owned(), ..kept.clone() };
    store.put_destination(renamed).await.unwrap();
    let (read, circuit) = store.destinations().await.unwrap().pop().unwrap();
    assert_eq!((read.name.as_str(), circuit), ("Renamed", open));
    store.delete_destination(kept.id, sample::after(1)).await.unwrap();
    store.put_destination(kept).await.unwrap();
    assert!(store.destinations().await.unwrap().is_empty());
}

/// Kept, marked as used, deleted.
pub async fn api_keys_read_back_and_go(store: &dyn Store) {
    let key = ApiKey {
        id: Id::from_i64(1),
        name: "desk".to_owned(),
        scope: Scope::Operate,
        hash: [7; 32],
        created_at: sample::NOON,
        last_used_at: None,
    };
    store.put_api_key(key.clone()).await.unwrap();
    store.note_api_key_use(key.id, sample::after(60)).await.unwrap();
    let read = store.api_keys().await.unwrap();
    assert_eq!((read.len(), read[0].scope, read[0].hash), (1, Scope::Operate, [7; 32]));
    assert_eq!(read[0].last_used_at, Some(sample::after(60)));
    store.delete_api_key(key.id).await.unwrap();
    store.note_api_key_use(key.id, sample::after(61)).await.unwrap();
    assert!(store.api_keys().await.unwrap().is_empty(), "a use noted late does not bring a deleted key back");
}

/// The key is made once and is not nothing; the floor follows what is stored.
pub async fn an_instance_keeps_its_key_and_knows_its_largest_id(store: &dyn Store) {
    store.ping().await.unwrap();
    let before = store.instance().await.unwrap();
    assert_eq!(before.id_floor, 0);
    assert_ne!(before.seal_key, [0; 32]);
    let of = IntegrationId::from_i64(5);
    store.append(sample::receipt(700, of)).await.unwrap();
    assert_eq!(store.instance().await.unwrap().id_floor, 700);
    let incident = sample::incident(10, of);
    let event = sample::event(900, &incident);
    let step = Step { incidents: vec![incident], events: vec![event], ..Step::default() };
    store.commit(step).await.unwrap();
    let after = store.instance().await.unwrap();
    assert_eq!((after.id_floor, after.seal_key), (900, before.seal_key));
}
