//! Retention: what is old is let go of, in small steps beside the load.
//!
//! What may go is the store's to know; here is only how old it must be and at what pace it goes.

use std::{sync::Arc, time::Duration};

use bugle_store::{PruneBefore, Pruned, StoreError};

use crate::Engine;

const DAY: Duration = Duration::from_hours(24);

/// Rows of each kind in one step: few enough that nobody waits for them.
const ROWS_MAX: u32 = 200;
/// Between two steps, so that the load has the store to itself most of the time. Up to 4,000 receipts go each second.
const PAUSE: Duration = Duration::from_millis(50);
/// Until it is looked again, when nothing was left to do.
const IDLE: Duration = Duration::from_mins(1);

/// How long what is done with is kept. `None` keeps it for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Receipts that are dealt with, counted from when they came in.
    pub receipts: Option<Duration>,
    /// Resolved incidents, with their timelines, deliveries and alerts, counted from when they were resolved.
    pub incidents: Option<Duration>,
}

impl Default for Retention {
    /// Receipts for thirty days, incidents for a year.
    fn default() -> Self {
        Self { receipts: Some(DAY * 30), incidents: Some(DAY * 365) }
    }
}

impl Engine {
    /// Runs until shutdown.
    pub(crate) async fn run_retention(self: Arc<Self>) {
        while !self.stopping().is_cancelled() {
            let pause = match self.prune().await {
                Ok(Pruned { more: true, .. }) => PAUSE,
                Ok(_) => IDLE,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "what is old could not be deleted; it is tried again"
                    );
                    IDLE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stopping().cancelled() => {}
            }
        }
    }

    /// Makes one step.
    pub(crate) async fn prune(&self) -> Result<Pruned, StoreError> {
        let (now, kept) = (self.clock().now(), self.retention());
        let before = PruneBefore {
            receipts: kept.receipts.map(|age| now.minus(age)),
            incidents: kept.incidents.map(|age| now.minus(age)),
        };
        let pruned = self.store().prune(before, ROWS_MAX).await?;
        self.metrics().pruned_receipts.inc_by(u64::from(pruned.receipts));
        self.metrics().pruned_incidents.inc_by(u64::from(pruned.incidents));
        if (pruned.receipts, pruned.incidents) != (0, 0) {
            tracing::debug!(receipts = pruned.receipts, incidents = pruned.incidents, "deleted what is old");
        }
        Ok(pruned)
    }
}

#[cfg(test)]
mod tests {
    use bugle_model::{Incident, IncidentStatus, IntegrationId, ManualClock, id::Id};
    use bugle_store::{Step, Store, conformance::sample};
    use bugle_store_sqlite::{Options, SqliteStore};

    use super::*;
    use crate::EngineSettings;

    const OF: IntegrationId = IntegrationId::from_i64(5);

    struct Hub {
        engine: Arc<Engine>,
        store: Arc<dyn Store>,
        clock: Arc<ManualClock>,
        _folder: tempfile::TempDir,
    }

    /// A hub at noon, with a rejected receipt that came in and an incident that was resolved just then.
    async fn hub(retention: Retention) -> Hub {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap());
        store.append(sample::rejected(1, OF)).await.unwrap();
        let resolved = Incident {
            status: IncidentStatus::Fixed,
            resolved_at: Some(sample::NOON),
            ..sample::incident(2, OF)
        };
        store.commit(Step { incidents: vec![resolved], ..Step::default() }).await.unwrap();
        let clock = Arc::new(ManualClock::new(sample::NOON));
        let settings = EngineSettings { retention, ..EngineSettings::default() };
        let engine = Engine::open(store.clone(), clock.clone(), settings).await.unwrap();
        Hub { engine, store, clock, _folder: folder }
    }

    /// Whether the receipt and the incident are there.
    async fn kept(store: &dyn Store) -> (bool, bool) {
        let receipt = store.receipt(Id::from_i64(1)).await.unwrap();
        let incident = store.incident(Id::from_i64(2)).await.unwrap();
        (receipt.is_some(), incident.is_some())
    }

    #[tokio::test]
    async fn each_kind_goes_when_its_time_is_over() {
        let days = |receipts, incidents| Retention {
            receipts: (receipts > 0).then(|| DAY * receipts),
            incidents: (incidents > 0).then(|| DAY * incidents),
        };
        let on = Retention::default();
        for (retention, age_days, expected) in [
            (on, 30, (true, true)),
            (on, 31, (false, true)),
            (on, 365, (false, true)),
            (on, 366, (false, false)),
            (days(0, 3), 4_000, (true, false)),
            (days(3, 0), 4_000, (false, true)),
            (days(0, 0), 40_000, (true, true)),
        ] {
            let hub = hub(retention).await;
            hub.clock.advance(DAY * age_days);
            while hub.engine.prune().await.unwrap().more {}
            assert_eq!(kept(hub.store.as_ref()).await, expected, "{retention:?} after {age_days} days");
        }
    }

    #[tokio::test]
    async fn it_runs_by_itself_counts_and_stops() {
        let hub = hub(Retention::default()).await;
        hub.clock.advance(DAY * 400);
        hub.engine.start();
        let going = async {
            while kept(hub.store.as_ref()).await != (false, false) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), going).await.expect("both go in time");
        let stopping = hub.engine.shutdown(Duration::from_secs(50));
        tokio::time::timeout(Duration::from_secs(30), stopping)
            .await
            .expect("it does not wait for its next step");
        let text = hub.engine.metrics_text().await.unwrap();
        for line in ["bugle_pruned_receipts_total 1\n", "bugle_pruned_incidents_total 1\n"] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
    }
}
