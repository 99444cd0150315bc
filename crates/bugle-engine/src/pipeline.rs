//! Decode, correlate, route, commit: receipts become incidents and deliveries in one transaction for each batch.

mod handover;
mod pace;

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bugle_model::{Integration, IntegrationId, Receipt, ReceiptId, ReceiptState, Signal};
use bugle_platforms::{DecodeError, Decoded, Inbound, Names, Source, table};
use bugle_store::{CommitError, NewDelivery, ReceiptOutcome, Step, StoreError};
use futures_util::FutureExt;
use serde_json::{Map, Value};

use crate::{
    Engine,
    correlate::{Origin, Reading, Situation, alert_key, correlate, grouping_key},
};

pub(crate) use handover::{Handover, Ready};
pub(crate) use pace::Arrivals;
use pace::Pace;

/// How often a batch is decided anew at once when others change its incidents at the same moment; then it waits a little.
const TRIES_MAX: u32 = 20;
/// How long to wait after the store failed.
const PAUSE_MS_MIN: u64 = 100;
/// Longest wait after the store failed.
const PAUSE_MS_MAX: u64 = 5_000;
/// The pipeline looks for work at least this often, woken or not.
const POLL: Duration = Duration::from_secs(5);

impl Engine {
    /// Runs until shutdown. There is one: receipts are seen in the order they came.
    pub(crate) async fn run_pipeline(self: Arc<Self>) {
        let mut pause_ms = PAUSE_MS_MIN;
        let mut pace = Pace::default();
        while !self.stopping().is_cancelled() {
            pace.begin();
            match self.process_guarded().await {
                Ok(0) => {
                    tokio::select! {
                        () = self.pipeline_wake().notified() => {}
                        () = tokio::time::sleep(POLL) => {}
                        () = self.stopping().cancelled() => {}
                    }
                }
                Ok(_) => {
                    pause_ms = PAUSE_MS_MIN;
                    let rest = pace.rest(self.arrivals());
                    if !rest.is_zero() {
                        tokio::select! {
                            () = tokio::time::sleep(rest) => {}
                            () = self.stopping().cancelled() => {}
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        pause_ms,
                        "the pipeline waits and tries again"
                    );
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                        () = self.stopping().cancelled() => {}
                    }
                    pause_ms = (pause_ms * 2).min(PAUSE_MS_MAX);
                }
            }
        }
    }

    /// A panic in here is a defect; it must be loud, and it must not end the pipeline without a word.
    async fn process_guarded(&self) -> Result<usize, StoreError> {
        let batch = AssertUnwindSafe(self.process_batch()).catch_unwind();
        batch.await.unwrap_or_else(|_| {
            Err(StoreError::new("take the batch", "the pipeline panicked, which is a defect of Bugle"))
        })
    }

    /// Processes what waits, up to one batch, and says how many receipts that was.
    pub(crate) async fn process_batch(&self) -> Result<usize, StoreError> {
        let ids = self.store().pending_ids(self.arrivals().batch()).await?;
        if ids.is_empty() {
            return Ok(0);
        }
        self.process(Batch::Waiting(&ids)).await
    }

    /// Decides what receipts mean, and commits it; says how many it was, as large ones come in parts.
    pub(crate) async fn process(&self, batch: Batch<'_>) -> Result<usize, StoreError> {
        for _ in 0..TRIES_MAX {
            let batch = match batch {
                Batch::Waiting(ids) => self.read(ids).await?,
                Batch::Own(receipt) => vec![self.read_one(receipt)],
            };
            let count = batch.len();
            let (step, platforms) = self.decide(batch).await?;
            match self.commit(step).await {
                Ok(()) => {
                    self.metrics().receipts_processed.inc_by(u64::try_from(count).unwrap_or_default());
                    tracing::debug!(receipts = count, ?platforms, "batch committed");
                    return Ok(count);
                }
                // Somebody acted on one of the incidents meanwhile: decide again on what is there now.
                Err(CommitError::Conflict) => {}
                Err(CommitError::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::new("commit the batch", "others kept changing the same incidents"))
    }

    /// Commits a step and wakes those it has deliveries for.
    pub(crate) async fn commit(&self, step: Step) -> Result<(), CommitError> {
        let events = u64::try_from(step.events.len()).unwrap_or_default();
        let destinations: BTreeSet<_> =
            step.deliveries.iter().map(|delivery| delivery.destination_id).collect();
        self.store().commit(step).await?;
        self.metrics().events.inc_by(events);
        if events > 0 {
            self.feed().committed();
        }
        for destination in destinations {
            self.dispatcher().wake(destination);
        }
        Ok(())
    }

    /// What these receipts say, in their order: as ingest handed it over, else from the store. A batch ends early when
    /// the bodies that must be read for it are large.
    async fn read(&self, ids: &[ReceiptId]) -> Result<Vec<Waiting>, StoreError> {
        let taken = self.handover().take_all(ids, self.clock().now());
        let missing: Vec<_> = taken.iter().filter_map(|one| one.as_ref().err().copied()).collect();
        let mut stored = Vec::new();
        if !missing.is_empty() {
            stored = self.store().pending_of(missing).await?;
        }
        // The first of those asked for is always read, so if none was, none of them is pending any more.
        let was_cut = !stored.is_empty();
        let mut stored = stored.into_iter().peekable();
        let mut batch = Vec::with_capacity(ids.len());
        for one in taken {
            match one {
                Ok(ready) => {
                    batch.push(self.waiting(ready.integration_id, ready.origin, |_| Ok(ready.decoded)));
                }
                Err(id) => match stored.next_if(|receipt| receipt.id == id) {
                    Some(receipt) => batch.push(self.read_one(&receipt)),
                    None if was_cut && stored.peek().is_none() => break,
                    // It is not pending any more.
                    None => {}
                },
            }
        }
        Ok(batch)
    }

    fn read_one(&self, receipt: &Receipt) -> Waiting {
        self.waiting(receipt.integration_id, Origin::of(receipt), |integration| read(receipt, integration))
    }

    fn waiting(
        &self,
        integration_id: IntegrationId,
        origin: Origin,
        read: impl FnOnce(&Integration) -> Result<Decoded, DecodeError>,
    ) -> Waiting {
        let Some(integration) = self.directory().integration(integration_id) else {
            let deleted = "its integration was deleted";
            return Err(set_aside(origin.receipt_id, ReceiptState::Ignored, deleted));
        };
        match read(&integration) {
            Ok(decoded) => Ok(Reading { origin, integration, decoded }),
            Err(error) => {
                let state = ReceiptState::Undecodable;
                Err(set_aside(origin.receipt_id, state, &error.to_string()))
            }
        }
    }

    async fn decide(&self, batch: Vec<Waiting>) -> Result<(Step, BTreeSet<String>), StoreError> {
        let mut readings = Vec::with_capacity(batch.len());
        let mut aside = Vec::new();
        for waiting in batch {
            match waiting {
                Ok(reading) => readings.push(reading),
                Err(outcome) => aside.push(outcome),
            }
        }
        let platforms = readings.iter().map(|reading| reading.integration.platform.clone()).collect();
        let situation = self.situation(&readings).await?;
        let mut step = correlate(readings, situation, self.ids(), self.clock().now());
        step.receipts.extend(aside);
        self.route(&mut step);
        Ok((step, platforms))
    }

    async fn situation(&self, readings: &[Reading]) -> Result<Situation, StoreError> {
        let (mut keys, mut groups) = (BTreeSet::new(), BTreeSet::new());
        for reading in readings {
            for signal in &reading.decoded.signals {
                let (key, group) = names(&reading.integration, signal);
                keys.insert(key);
                groups.insert(group);
            }
        }
        let alerts = self.store().alerts_by_key(keys.into_iter().collect()).await?;
        let ids: BTreeSet<_> = alerts.iter().filter_map(|alert| alert.incident_id).collect();
        let incidents =
            self.store().incidents_for(ids.into_iter().collect(), groups.into_iter().collect()).await?;
        Ok(Situation::new(alerts, incidents))
    }

    /// Makes the deliveries of a step's events. A disabled destination's wait for it; the dialect decides at sending
    /// time whether it has a word for an event.
    pub(crate) fn route(&self, step: &mut Step) {
        let destinations = self.directory().destinations();
        for event in &step.events {
            for destination in destinations.iter().filter(|destination| destination.wants(event)) {
                step.deliveries.push(NewDelivery {
                    id: self.ids().next(step.at),
                    destination_id: destination.id,
                    incident_id: event.incident_id,
                    event_id: event.id,
                    sequence: event.sequence,
                });
            }
        }
    }
}

/// What one transaction is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Batch<'a> {
    /// The first of the inbox.
    Waiting(&'a [ReceiptId]),
    /// What Bugle says of itself, which waits behind nobody.
    Own(&'a Receipt),
}

/// A receipt of a batch that was understood, or what becomes of it when there is nothing to correlate.
type Waiting = Result<Reading, ReceiptOutcome>;

/// What a signal's alert and group are called in the store.
fn names(integration: &Integration, signal: &Signal) -> ((IntegrationId, String), String) {
    let fingerprint = alert_key(&signal.fingerprint);
    let named = Signal {
        fingerprint: fingerprint.clone(),
        grouping_key: signal.grouping_key.clone(),
        ..Signal::default()
    };
    ((integration.id, fingerprint), grouping_key(integration, &named))
}

fn set_aside(id: ReceiptId, state: ReceiptState, problem: &str) -> ReceiptOutcome {
    ReceiptOutcome { id, state, problem: Some(problem.to_owned()), signals: Vec::new() }
}

fn read(receipt: &Receipt, integration: &Integration) -> Result<Decoded, DecodeError> {
    let Some(source) = table::source(&integration.platform) else {
        return Err(DecodeError::NotUnderstood(format!(
            "this version knows no platform `{}`",
            integration.platform
        )));
    };
    let inbound = Inbound { query: &receipt.head.query, headers: &receipt.head.headers, body: &receipt.body };
    decode(source, &inbound, &integration.settings)
}

/// Reads a call. A platform that panics is a defect; it costs neither this call, which is kept in quarantine, nor those
/// behind it.
pub(crate) fn decode(
    source: &dyn Source,
    inbound: &Inbound<'_>,
    settings: &Map<String, Value>,
) -> Result<Decoded, DecodeError> {
    unless_it_panics(source, || source.decode(inbound, settings)).unwrap_or_else(|| {
        let message = "reading it failed inside Bugle; the receipt is kept: please report this";
        Err(DecodeError::NotUnderstood(message.into()))
    })
}

/// What a call is called that will be decoded later, if its platform can tell.
pub(crate) fn glance(
    source: &dyn Source,
    inbound: &Inbound<'_>,
    settings: &Map<String, Value>,
) -> Option<Names> {
    unless_it_panics(source, || source.names(inbound, settings)).flatten()
}

fn unless_it_panics<T>(source: &dyn Source, read: impl FnOnce() -> T) -> Option<T> {
    let read = catch_unwind(AssertUnwindSafe(read));
    read.inspect_err(|_| tracing::error!(platform = source.slug(), "a platform panicked while decoding")).ok()
}

#[cfg(test)]
mod tests {
    use bugle_model::Timestamp;
    use bugle_platforms::{
        scheme::Scheme,
        source::{Sample, SamplePhase, SenderRetry},
    };

    use super::*;

    struct Broken;

    impl Source for Broken {
        fn slug(&self) -> &'static str {
            "broken"
        }
        fn title(&self) -> &'static str {
            "Broken"
        }
        fn authentication(&self) -> &'static str {
            "None."
        }
        fn schemes(&self, _: &Map<String, Value>) -> Vec<Scheme> {
            Vec::new()
        }
        fn sender_retry(&self) -> SenderRetry {
            SenderRetry::ServerErrorsOnly
        }
        fn decode(&self, _: &Inbound<'_>, _: &Map<String, Value>) -> Result<Decoded, DecodeError> {
            panic!("a defect")
        }
        fn names(&self, _: &Inbound<'_>, _: &Map<String, Value>) -> Option<Names> {
            panic!("another")
        }
        fn sample(&self, _: SamplePhase, _: &str, _: Timestamp) -> Sample {
            Sample { headers: Vec::new(), body: Vec::new() }
        }
    }

    #[test]
    fn a_platform_that_panics_is_not_understood() {
        let inbound = Inbound { query: "", headers: &[], body: b"{}" };
        assert!(matches!(decode(&Broken, &inbound, &Map::new()), Err(DecodeError::NotUnderstood(_))));
        assert_eq!(glance(&Broken, &inbound, &Map::new()), None);
    }
}
