//! The watch: Bugle looks after itself, and reports what is wrong as any platform would, by a receipt of its own.
//!
//! What is wrong is in `finding`, which is pure. Here is when it looks, and how what it finds becomes an incident:
//! - The report is decided and committed at once, not behind the calls that wait, as these may be what it is about.
//! - A report is written when something begins, becomes critical, or ends; not at every look.
//! - What one destination lacks is told to all that want it. Whether it still lacks it is judged without the deliveries of
//!   these very incidents, so that two destinations that are down do not keep each other's incident going.
//! - What cannot be stored cannot be reported: it is in the log, in the metrics and in readiness, and is reported when the
//!   store works again.

mod finding;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use bugle_model::{
    AlertStatus, Destination, Integration, Receipt, ReceiptState, SecretId, Severity, Signal, SignalStatus,
    Timestamp, Verification, integration::BUILT_IN_ID, receipt::RequestHead,
};
use bugle_platforms::bugle::{Report, SLUG};
use bugle_store::StoreError;
use serde_json::Map;

use crate::{
    Engine,
    pipeline::Batch,
    stream::{News, ReceiptNews},
};
use finding::{Late, Refusals};

/// It looks at least this often, and more often when what it watches for is shorter.
const EVERY_MAX: Duration = Duration::from_secs(5);
/// It never looks more often than this.
const EVERY_MIN: Duration = Duration::from_millis(50);

/// What is worth an incident of Bugle's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// How old the oldest delivery to a destination may be that is not settled. Without it no destination is watched.
    pub backlog: Option<Duration>,
    /// How old the oldest receipt may be that the pipeline has not reached. Without it taking in is not watched.
    pub inbox: Option<Duration>,
}

impl Default for Watch {
    /// Five minutes for deliveries, one for receipts.
    fn default() -> Self {
        Self { backlog: Some(Duration::from_mins(5)), inbox: Some(Duration::from_mins(1)) }
    }
}

impl Watch {
    /// A tenth of the shortest bound, so that nothing is told much too late.
    fn every(self) -> Duration {
        let shortest = self.backlog.into_iter().chain(self.inbox).min().unwrap_or(EVERY_MAX);
        (shortest / 10).clamp(EVERY_MIN, EVERY_MAX)
    }
}

/// What was reported and is not over, by fingerprint.
type Told = BTreeMap<String, Severity>;

/// What the watch remembers from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Read from the store at the first look: incidents outlive the process.
    told: Option<Told>,
    /// When the last report was, so that a clock that steps back makes none stale.
    reported_at: Timestamp,
    refusals: Refusals,
}

/// The integration that the watch's receipts come by.
pub(crate) fn integration(now: Timestamp) -> Integration {
    Integration {
        id: BUILT_IN_ID,
        platform: SLUG.to_owned(),
        name: "Bugle itself".to_owned(),
        enabled: true,
        secrets: Vec::new(),
        allowed_ips: Vec::new(),
        rate_limit: None,
        settings: Map::new(),
        created_at: now,
        updated_at: now,
    }
}

impl Engine {
    /// Runs until shutdown.
    pub(crate) async fn run_watch(self: Arc<Self>) {
        let every = self.watch().every();
        let mut memory = Memory::default();
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = self.stopping().cancelled() => return,
            }
            if let Err(error) = self.look(&mut memory).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "Bugle could not look after itself; it tries again"
                );
            }
        }
    }

    /// Looks once, and reports what is news.
    pub(crate) async fn look(&self, memory: &mut Memory) -> Result<(), StoreError> {
        let now = self.clock().now();
        memory.refusals.heard(self.metrics().inbox.not_stored.get(), now);
        if memory.told.is_none() {
            self.remember(memory).await?;
        }
        let Some(told) = &memory.told else { return Ok(()) };
        let found = self.findings(told, &memory.refusals, now).await?;
        let at = now.max(memory.reported_at);
        let news = news(told, &found, at);
        if !news.is_empty() {
            self.report(news, now).await?;
            memory.reported_at = at;
        }
        memory.told =
            Some(found.into_iter().map(|found| (found.fingerprint, severity(found.severity))).collect());
        Ok(())
    }

    /// Learns what an earlier process reported of what there still is.
    async fn remember(&self, memory: &mut Memory) -> Result<(), StoreError> {
        let destinations = self.directory().destinations();
        let subjects = destinations.iter().flat_map(|one| finding::subjects_of(one.id));
        let subjects = subjects.chain([finding::INBOX.to_owned(), finding::STORE.to_owned()]);
        let alerts =
            self.store().alerts_by_key(subjects.map(|subject| (BUILT_IN_ID, subject)).collect()).await?;
        let last = alerts.iter().filter_map(|alert| alert.signal.observed_at).max();
        memory.reported_at = last.unwrap_or_default();
        let unresolved = alerts.into_iter().filter(|alert| alert.status != AlertStatus::Resolved);
        memory.told = Some(unresolved.map(|alert| (alert.fingerprint, alert.severity)).collect());
        Ok(())
    }

    /// All that is wrong at `now`.
    async fn findings(
        &self,
        told: &Told,
        refusals: &Refusals,
        now: Timestamp,
    ) -> Result<Vec<Signal>, StoreError> {
        let mut found = Vec::new();
        let Watch { backlog, inbox } = self.watch();
        if let Some(bound) = backlog {
            let backlogs = self.store().backlog().await?;
            for destination in self.directory().destinations() {
                found.extend(finding::disabled(&destination));
                let told = told.get(&finding::backlog_of(destination.id));
                let backlog = backlogs.iter().find(|backlog| backlog.destination_id == destination.id);
                let oldest = backlog.filter(|_| destination.enabled).and_then(|backlog| backlog.oldest);
                let late = oldest.and_then(|oldest| Late::at(now, oldest, bound, told));
                if let (Some(late), Some(backlog)) = (late, backlog)
                    && let Some(late) = self.without_own(&destination, late, told).await?
                {
                    let circuit = self.circuit(destination.id);
                    found.push(finding::backlog(&destination, &circuit, backlog.unsettled, late));
                }
            }
        }
        if let Some(bound) = inbox {
            let inbox = self.store().inbox().await?;
            let late = inbox.oldest.and_then(|oldest| Late::at(now, oldest, bound, told.get(finding::INBOX)));
            found.extend(late.map(|late| finding::inbox(inbox.pending, late)));
            found.extend(finding::refusals(refusals, now));
        }
        Ok(found)
    }

    /// The same judged without the deliveries of Bugle's own incidents.
    async fn without_own(
        &self,
        destination: &Destination,
        late: Late,
        told: Option<&Severity>,
    ) -> Result<Option<Late>, StoreError> {
        let oldest = self.store().oldest_unsettled(destination.id, SLUG).await?;
        Ok(oldest.and_then(|oldest| Late::at(late.now, oldest, late.bound, told)))
    }

    /// Keeps a report and makes of it what the pipeline would. When this fails half-way the receipt stays without effect,
    /// and the next look reports again.
    async fn report(&self, signals: Vec<Signal>, now: Timestamp) -> Result<(), StoreError> {
        let alert_key = signals.first().map(|signal| signal.fingerprint.clone());
        let body = serde_json::to_vec(&Report { signals })
            .map_err(|error| StoreError::new("keep a report that could not be written", error))?;
        let id = self.ids().next(now);
        let receipt = Receipt {
            id,
            integration_id: BUILT_IN_ID,
            received_at: now,
            remote_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            correlation_id: format!("watch-{id}"),
            head: RequestHead { method: "POST".to_owned(), query: String::new(), headers: Vec::new() },
            body,
            verification: Verification::Verified {
                scheme: "Bugle itself".to_owned(),
                secret_id: SecretId::from_i64(0),
            },
            state: ReceiptState::Processed,
            problem: None,
            senders_id: None,
            alert_key,
        };
        self.store().append(receipt.clone()).await?;
        self.process(Batch::Own(&receipt)).await?;
        self.feed().tell(|| {
            News::Receipt(ReceiptNews {
                id,
                integration_id: BUILT_IN_ID,
                platform: SLUG,
                state: ReceiptState::Processed,
            })
        });
        Ok(())
    }
}

/// What of `found` was not told, or is worse than was told, and then what was told and is over: a destination's incident
/// stays open when one of its troubles gives way to another.
fn news(told: &Told, found: &[Signal], at: Timestamp) -> Vec<Signal> {
    let is_found = |subject: &String| found.iter().any(|signal| signal.fingerprint == *subject);
    let begun = found.iter().filter(|signal| told.get(&signal.fingerprint) != signal.severity.as_ref());
    let over = told.keys().filter(|subject| !is_found(subject));
    let begun = begun.map(|signal| Signal { observed_at: Some(at), ..signal.clone() });
    let over = over.map(|subject| Signal {
        fingerprint: subject.clone(),
        status: SignalStatus::Resolved,
        observed_at: Some(at),
        ..Signal::default()
    });
    begun.chain(over).collect()
}

fn severity(severity: Option<Severity>) -> Severity {
    severity.unwrap_or_default()
}
