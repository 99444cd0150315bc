//! Random operations on the real store and on a few lines of plain Rust that say what it should do, side by side. The
//! store is closed and opened from disk in between.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first problem")]

mod ledger;

use std::collections::BTreeSet;

use bugle_model::{
    Cursor, DeliveryState, DestinationId, Incident, IncidentId, IntegrationId, Receipt, ReceiptState,
    Verdict, Verification, id::Id,
};
use bugle_store::{
    CommitError, DeliveryFilter, Next, PageRequest, ReceiptFilter, ReceiptOutcome, RecoverFrom, Room,
    Settlement, Step, Store, conformance::sample,
};
use bugle_store_sqlite::{Options, SqliteStore};
use ledger::{Ledger, State};
use proptest::prelude::*;
use tempfile::TempDir;

const OF: IntegrationId = IntegrationId::from_i64(5);
const INCIDENTS: i64 = 3;
const DESTINATIONS: i64 = 2;
const NAMES: u8 = 4;

#[derive(Debug, Clone)]
enum Operation {
    Append,
    /// The same with an id of the sender's own, of which there are few; a large one is not for the journal.
    AppendNamed {
        name: u8,
        is_large: bool,
    },
    /// Has the database take in what only the journal has.
    List,
    /// Puts some receipt before the pipeline again.
    Requeue {
        pick: usize,
    },
    /// Takes the oldest receipt or another, gives an incident its next event, and delivers that to all destinations or to
    /// one.
    Commit {
        receipt: Option<usize>,
        incident: i64,
        everywhere: bool,
        stale: bool,
    },
    Claim {
        destination: i64,
        limit: u32,
    },
    /// Settles some claimed delivery.
    Settle {
        pick: usize,
        outcome: State,
        retry: bool,
    },
    Release {
        pick: usize,
    },
    Redeliver {
        pick: usize,
    },
    Recover {
        destination: i64,
        limit: u32,
    },
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    let outcome = prop_oneof![4 => Just(State::Delivered), 2 => Just(State::Dead), 1 => Just(State::Skipped)];
    prop_oneof![
        2 => Just(Operation::Append),
        3 => (0..NAMES, prop::bool::weighted(0.2))
            .prop_map(|(name, is_large)| Operation::AppendNamed { name, is_large }),
        1 => Just(Operation::List),
        1 => any::<usize>().prop_map(|pick| Operation::Requeue { pick }),
        6 => (prop::option::weighted(0.2, any::<usize>()), 0..INCIDENTS, any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(receipt, incident, everywhere, stale)| Operation::Commit { receipt, incident, everywhere, stale }),
        5 => (0..DESTINATIONS, 1..4_u32).prop_map(|(destination, limit)| Operation::Claim { destination, limit }),
        6 => (any::<usize>(), outcome, prop::bool::weighted(0.2))
            .prop_map(|(pick, outcome, retry)| Operation::Settle { pick, outcome, retry }),
        1 => any::<usize>().prop_map(|pick| Operation::Release { pick }),
        2 => any::<usize>().prop_map(|pick| Operation::Redeliver { pick }),
        1 => (0..DESTINATIONS, 1..4_u32).prop_map(|(destination, limit)| Operation::Recover { destination, limit }),
        1 => Just(Operation::Reopen),
    ]
}

fn named(id: i64, name: u8, is_large: bool) -> Receipt {
    let mut receipt = sample::receipt(id, OF);
    receipt.senders_id = Some([name; 16]);
    if is_large {
        receipt.body = vec![7; 100_000];
    }
    receipt
}

struct Both {
    folder: TempDir,
    store: Option<SqliteStore>,
    ledger: Ledger,
    last_id: i64,
}

impl Both {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Some(SqliteStore::open(folder.path(), Options::default()).unwrap());
        Self { folder, store, ledger: Ledger::default(), last_id: 0 }
    }

    fn store(&self) -> &SqliteStore {
        self.store.as_ref().unwrap()
    }

    fn id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    async fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Append => {
                let id = self.id();
                self.store().append(sample::receipt(id, OF)).await.unwrap();
                self.ledger.receipts.insert(id, true);
            }
            Operation::AppendNamed { name, is_large } => {
                let id = self.id();
                let appended = self.store().append(named(id, name, is_large)).await.unwrap();
                let before = self.ledger.names.get(&name).copied();
                assert_eq!(appended.duplicate_of.map(Id::as_i64), before);
                self.ledger.names.entry(name).or_insert(id);
                self.ledger.receipts.insert(id, before.is_none());
            }
            Operation::List => {
                let page = PageRequest { cursor: None, limit: 1_000 };
                let page = self.store().receipts(ReceiptFilter::default(), page).await.unwrap();
                assert_eq!(page.data.len(), self.ledger.receipts.len());
                self.compare_pending_pages().await;
            }
            Operation::Requeue { pick } => {
                if let Some(id) = self.ledger.any_receipt(pick) {
                    self.store().requeue(Id::from_i64(id), Verification::Unverified).await.unwrap();
                    self.ledger.receipts.insert(id, true);
                }
            }
            Operation::Commit { receipt, incident, everywhere, stale } => {
                let receipt = self.ledger.any_pending(receipt.unwrap_or_default());
                self.commit(receipt, incident, everywhere, stale).await;
            }
            Operation::Claim { destination, limit } => self.claim(destination, limit).await,
            Operation::Settle { pick, outcome, retry } => self.settle(pick, outcome, retry).await,
            Operation::Release { pick } => {
                if let Some(id) = self.ledger.claimed_one(pick) {
                    self.store().release(vec![Id::from_i64(id)]).await.unwrap();
                    self.ledger.claimed.remove(&id);
                }
            }
            Operation::Redeliver { pick } => {
                if let Some(id) = self.ledger.any_one(pick) {
                    let done = self.store().redeliver(Id::from_i64(id), sample::after(60)).await.unwrap();
                    assert_eq!(done, self.ledger.send_again(id), "redelivering {id}");
                }
            }
            Operation::Recover { destination, limit } => {
                let (to, at) = (DestinationId::from_i64(destination), sample::after(60));
                let from = RecoverFrom::since(sample::NOON);
                let done = self.store().recover(to, from, at, limit).await.unwrap();
                assert_eq!(done.count, self.ledger.recover(destination, limit));
            }
            Operation::Reopen => {
                self.store = None;
                self.store = Some(SqliteStore::open(self.folder.path(), Options::default()).unwrap());
                self.ledger.claimed.clear();
            }
        }
    }

    async fn commit(&mut self, receipt: Option<i64>, incident: i64, everywhere: bool, stale: bool) {
        let known = self.ledger.sequences.get(&incident).copied().unwrap_or(0);
        let number = if stale { known } else { known + 1 };
        if number == 0 {
            return;
        }
        let changed = Incident { revision: number, sequence: number, ..sample::incident(incident, OF) };
        let event = sample::event(self.id(), &changed);
        let to =
            if everywhere { 0..DESTINATIONS } else { incident % DESTINATIONS..incident % DESTINATIONS + 1 };
        let new: Vec<(i64, i64)> = to.map(|destination| (self.id(), destination)).collect();
        let outcome = |id| ReceiptOutcome {
            id: Id::from_i64(id),
            state: ReceiptState::Processed,
            problem: None,
            signals: Vec::new(),
        };
        let step = Step {
            at: sample::NOON,
            receipts: receipt.map(outcome).into_iter().collect(),
            deliveries: new
                .iter()
                .map(|(id, to)| sample::delivery(*id, &event, DestinationId::from_i64(*to)))
                .collect(),
            incidents: vec![changed],
            events: vec![event],
            ..Step::default()
        };
        let committed = self.store().commit(step).await;
        assert_eq!(matches!(committed, Err(CommitError::Conflict)), stale, "{committed:?}");
        if !stale {
            self.ledger.sequences.insert(incident, number);
            for (id, destination) in new {
                self.ledger.deliver(id, destination, incident, number);
            }
            if let Some(id) = receipt {
                self.ledger.receipts.insert(id, false);
            }
        }
    }

    async fn claim(&mut self, destination: i64, limit: u32) {
        let to = DestinationId::from_i64(destination);
        let room = Room { first_tries: limit, retries: limit };
        let claim = self.store().claim_due(to, sample::after(1_000), room).await.unwrap();
        let may = self.ledger.claimable(destination);
        let (retries, first_tries): (Vec<i64>, Vec<i64>) =
            may.iter().partition(|id| self.ledger.deliveries[id].attempts > 0);
        let fitting = |kind: Vec<i64>| kind.len().min(usize::try_from(limit).unwrap());
        assert_eq!(claim.due.len(), fitting(first_tries) + fitting(retries), "all that may go, goes");
        for due in claim.due {
            let id = due.delivery.id.as_i64();
            assert!(may.contains(&id), "{id} is not due, or is claimed");
            assert_eq!(due.event.id, due.delivery.event_id);
            assert!(self.ledger.claimed.insert(id), "{id} is claimed twice");
        }
    }

    async fn settle(&mut self, pick: usize, outcome: State, retry: bool) {
        let Some(id) = self.ledger.claimed_one(pick) else { return };
        let (next, verdict) = match outcome {
            _ if retry => {
                (Next::RetryAt { at: sample::after(30), reason: "timeout".to_owned() }, Some(Verdict::Gone))
            }
            State::Dead => (Next::Dead { reason: "status_400".to_owned() }, Some(Verdict::Gone)),
            State::Skipped => (Next::Skipped { reason: "no word".to_owned() }, None),
            _ => (Next::Delivered, Some(Verdict::Delivered)),
        };
        let attempt = verdict.map(|verdict| sample::attempt(sample::NOON, verdict));
        self.ledger.record(id, (!retry).then_some(outcome), attempt.is_some());
        let settlement = Settlement { delivery_id: Id::from_i64(id), attempt, next };
        self.store().settle(vec![settlement], Vec::new()).await.unwrap();
    }

    /// The pages of what is pending have all of it, the newest first.
    async fn compare_pending_pages(&self) {
        for of in [None, Some(OF)] {
            let filter = ReceiptFilter { integration_id: of, state: Some(ReceiptState::Pending) };
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let page = PageRequest { cursor, limit: 3 };
                let page = self.store().receipts(filter, page).await.unwrap();
                seen.extend(page.data.iter().map(|receipt| receipt.id.as_i64()));
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            seen.reverse();
            assert_eq!(seen, self.ledger.pending(), "{of:?}");
        }
    }

    /// Everything the store says is what the ledger says.
    async fn compare(&self) {
        let store = self.store();
        let pending: Vec<i64> =
            store.pending_ids(1_000).await.unwrap().iter().map(|id| id.as_i64()).collect();
        let expected = self.ledger.pending();
        assert_eq!(pending, expected);
        let inbox = store.inbox().await.unwrap();
        assert_eq!(inbox.pending, u64::try_from(expected.len()).unwrap());
        assert_eq!(inbox.oldest.is_some(), !expected.is_empty());
        let mut seen = BTreeSet::new();
        let mut cursor: Option<Cursor> = None;
        loop {
            let page = PageRequest { cursor, limit: 7 };
            let page = store.deliveries(DeliveryFilter::default(), page).await.unwrap();
            for delivery in page.data {
                let known = &self.ledger.deliveries[&delivery.id.as_i64()];
                assert_eq!(State::from(delivery.state), known.state, "{delivery:?}");
                assert_eq!(delivery.attempts, known.attempts, "{delivery:?}");
                assert_eq!(delivery.state == DeliveryState::Pending, delivery.next_attempt_at.is_some());
                assert_eq!(delivery.state.is_settled(), delivery.settled_at.is_some());
                seen.insert(delivery.id.as_i64());
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, self.ledger.deliveries.keys().copied().collect());
        for of in store.backlog().await.unwrap() {
            let unsettled = self.ledger.unsettled(of.destination_id.as_i64());
            assert_eq!(of.unsettled, unsettled);
            assert_eq!(of.oldest.is_some(), unsettled > 0);
        }
        for (incident, sequence) in &self.ledger.sequences {
            let incident = store.incident(IncidentId::from_i64(*incident)).await.unwrap().unwrap();
            assert_eq!(incident.sequence, *sequence);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_ledger_does(operations in prop::collection::vec(operation(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut both = Both::new();
            for operation in operations {
                let reopened = matches!(operation, Operation::Reopen);
                both.apply(operation).await;
                if reopened {
                    both.compare().await;
                }
            }
            both.compare().await;
            both.apply(Operation::Reopen).await;
            both.compare().await;
        });
    }
}
