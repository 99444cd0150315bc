//! A store that holds much: made through the store's own trait, in steps as large as it takes, and kept for another run
//! where a folder is given.

use std::{ops::Range, path::Path};

use anyhow::{Context, Result, bail, ensure};
use bugle_model::{
    Clock, DestinationId, Event, Incident, IncidentStatus, IntegrationId, Receipt, ReceiptState, Severity,
    SystemClock, Timestamp, Verdict,
    delivery::Reason,
    id::{Id, IdGenerator},
    incident::AlertCounts,
};
use bugle_store::{NewDelivery, Next, ReceiptOutcome, Settlement, Step, Store, conformance::sample};
use bugle_store_sqlite::{Options, SqliteStore};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::{
    bench::{SECRET, load::TITLE},
    stand::bugle::Site,
};

/// Deliveries of each incident: one to each destination.
pub(super) const DESTINATIONS: u32 = 5;
/// The destination some of whose deliveries are dead.
pub(super) const DEAD: usize = 3;
/// The destination that takes no part, so that some of its deliveries wait.
pub(super) const WAITS: usize = 4;
/// Incidents of one step.
const STEP: u32 = 1_000;
/// One call is kept for so many incidents.
const RECEIPT_EVERY: u32 = 5;
/// Of so many incidents one has a delivery that is dead, and one has a delivery that waits.
const UNDELIVERED_EVERY: u32 = 1_000;
/// Between two incidents, so that a million of them began within 24 days.
const INTERVAL_MS: i64 = 2_000;
/// How long ago the first one began: less than calls are kept.
const BEGAN_BEFORE_MS: i64 = 25 * 24 * 3600 * 1000;
/// Says what is in a folder that was filled to its end.
const NOTE: &str = "filled.json";

/// What a store was filled with.
pub(super) struct Filled {
    /// How many incidents.
    pub(super) incidents: u32,
    /// Whose calls they came of.
    pub(super) integration: String,
    /// Where their deliveries went.
    pub(super) destinations: Vec<String>,
    /// When the first one began.
    began: Timestamp,
}

impl Filled {
    /// When incident `number` was opened.
    fn opened_at(&self, number: u32) -> Timestamp {
        Timestamp::from_millis(self.began.as_millis() + i64::from(number) * INTERVAL_MS)
    }

    /// A position in any list just above all that came of incident `number`.
    pub(super) fn position_above(&self, number: u32) -> i64 {
        IdGenerator::new(0).next::<()>(self.opened_at(number + 1)).as_i64()
    }

    fn note(&self) -> Value {
        json!({
            "incidents": self.incidents,
            "integration": self.integration,
            "destinations": self.destinations,
            "began_ms": self.began.as_millis(),
        })
    }

    fn read(note: &Value) -> Option<Self> {
        let texts = note["destinations"].as_array()?.iter().map(|id| id.as_str().map(str::to_owned));
        Some(Self {
            incidents: u32::try_from(note["incidents"].as_u64()?).ok()?,
            integration: note["integration"].as_str()?.to_owned(),
            destinations: texts.collect::<Option<_>>()?,
            began: Timestamp::from_millis(note["began_ms"].as_i64()?),
        })
    }
}

/// The store in `folder`: the one that is there, or a new one of `incidents` incidents.
pub(super) fn provide(site: &Site, folder: &Path, incidents: u32) -> Result<Filled> {
    let note = folder.join(NOTE);
    if note.exists() {
        let filled = Filled::read(&serde_json::from_str(&std::fs::read_to_string(&note)?)?);
        let filled = filled.with_context(|| format!("{} was not written by this program", note.display()))?;
        ensure!(
            filled.incidents == incidents,
            "the store in {} holds {} incidents and not {incidents}: name another folder, or say --incidents {}",
            folder.display(),
            filled.incidents,
            filled.incidents
        );
        return Ok(filled);
    }
    let data = folder.join("data");
    if data.exists() {
        bail!("{} was not filled to its end: delete it, then try again", data.display());
    }
    let filled = configure(site, incidents)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let store = SqliteStore::open(&data, Options::default())?;
    runtime.block_on(fill(&store, &filled))?;
    drop(store);
    std::fs::write(&note, filled.note().to_string())?;
    Ok(filled)
}

/// An integration, and destinations that want only what comes by it.
fn configure(site: &Site, incidents: u32) -> Result<Filled> {
    let bugle = site.start()?;
    let integration = site.integration("datadog", SECRET)?;
    let mut destinations = Vec::new();
    for number in 0..DESTINATIONS {
        destinations.push(site.destination(&json!({
            "name": format!("filled {number}"),
            "dialect": "standard-webhooks",
            "url": format!("http://127.0.0.1:9/{number}"),
            "filter": { "integrations": [integration] },
        }))?);
    }
    let waits = destinations.get(WAITS).context("no destination was made")?;
    site.call("PATCH", &format!("/destinations/{waits}"), Some(&json!({ "enabled": false })))?;
    bugle.stop()?;
    let began = Timestamp::from_millis(SystemClock.now().as_millis() - BEGAN_BEFORE_MS);
    Ok(Filled { incidents, integration, destinations, began })
}

/// Where a filling store's ids come from and go to.
struct Filling<'a> {
    store: &'a SqliteStore,
    filled: &'a Filled,
    ids: IdGenerator,
    integration: IntegrationId,
    destinations: Vec<DestinationId>,
}

async fn fill(store: &SqliteStore, filled: &Filled) -> Result<()> {
    let destinations = filled.destinations.iter().map(|id| id.parse());
    let filling = Filling {
        store,
        filled,
        ids: IdGenerator::new(0),
        integration: filled.integration.parse()?,
        destinations: destinations.collect::<Result<_, _>>()?,
    };
    let mut done = 0;
    while done < filled.incidents {
        let until = filled.incidents.min(done + STEP);
        filling.step(done..until).await?;
        if until / 50_000 > done / 50_000 {
            println!("  stored {until} of {} incidents", filled.incidents);
        }
        done = until;
    }
    Ok(())
}

impl Filling<'_> {
    /// Stores some incidents with all that belongs to them, and settles nearly all of their deliveries.
    async fn step(&self, numbers: Range<u32>) -> Result<()> {
        let mut step = Step { at: self.filled.opened_at(numbers.start), ..Step::default() };
        let mut settlements = Vec::new();
        let mut receipts = Vec::new();
        for number in numbers {
            let at = self.filled.opened_at(number);
            if number.is_multiple_of(RECEIPT_EVERY) {
                let id = self.id(at);
                receipts.push(self.store.append(receipt(id, at, self.integration)));
                step.receipts.push(processed(id));
            }
            let incident = incident(number, at, self.id(at), self.integration);
            let event = Event { at, ..sample::event(self.id(at), &incident) };
            for (place, destination) in self.destinations.iter().enumerate() {
                let new = sample::delivery(self.id(at), &event, *destination);
                settlements.extend(settlement(number, place, &new, at));
                step.deliveries.push(new);
            }
            step.alerts.push(sample::alert(self.id(at), &incident));
            step.events.push(event);
            step.incidents.push(incident);
        }
        try_join_all(receipts).await?;
        self.store.commit(step).await?;
        Ok(self.store.settle(settlements, Vec::new()).await?)
    }

    fn id(&self, at: Timestamp) -> i64 {
        self.ids.next::<()>(at).as_i64()
    }
}

/// A call that was dealt with.
fn receipt(id: i64, received_at: Timestamp, integration: IntegrationId) -> Receipt {
    Receipt { received_at, ..sample::receipt(id, integration) }
}

/// What became of it.
fn processed(id: i64) -> ReceiptOutcome {
    ReceiptOutcome {
        id: Id::from_i64(id),
        state: ReceiptState::Processed,
        problem: None,
        signals: Vec::new(),
    }
}

/// An unresolved incident. What lists filter by is common in some and rare in others.
fn incident(number: u32, at: Timestamp, id: i64, integration: IntegrationId) -> Incident {
    let one_in = |count| number.is_multiple_of(count);
    Incident {
        title: format!("{TITLE}stored-{number}"),
        status: if one_in(200) { IncidentStatus::WorkInProgress } else { IncidentStatus::Open },
        severity: if one_in(100) { Severity::Critical } else { Severity::High },
        owner: one_in(10).then(|| format!("person-{}@example.com", number / 10 % 100)),
        platform: if one_in(1_000) { "grafana" } else { "datadog" }.to_owned(),
        host: Some(format!("host-{number}.example.com")),
        service: Some(format!("service-{}", number % 100)),
        opened_at: at,
        started_at: at,
        updated_at: at,
        alerts: AlertCounts { total: 1, unresolved: [0, 0, 0, 1, 0] },
        ..sample::incident(id, integration)
    }
}

/// Delivered, but for some that are dead and some that wait for the last destination.
fn settlement(number: u32, place: usize, new: &NewDelivery, at: Timestamp) -> Option<Settlement> {
    let undelivered = number.is_multiple_of(UNDELIVERED_EVERY);
    let (verdict, next) = match place {
        DEAD if undelivered => (
            Verdict::Rejected { reason: Reason::Status(410) },
            Next::Dead { reason: Reason::Status(410).to_string() },
        ),
        WAITS if undelivered => return None,
        _ => (Verdict::Delivered, Next::Delivered),
    };
    Some(Settlement { delivery_id: new.id, attempt: Some(sample::attempt(at, verdict)), next })
}
