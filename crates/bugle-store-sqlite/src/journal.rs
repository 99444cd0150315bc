//! The journal: where a call is made durable.
//!
//! A receipt is written to the end of a small file that is flushed, and the caller has its answer; the database takes it in
//! later, with others, or with what the pipeline makes of it. So a caller waits for one write of what it sent and for one
//! flush, shared by all who wait, and never for a transaction. Until a receipt is in the database it is [fresh](crate::fresh):
//! in memory too, where the pipeline finds it. After a crash, what is not in the database yet is read from the file.
//!
//! Without room for more the journal waits until the database has taken some in. What it cannot keep, or has no room for as
//! the database takes nothing in, goes to the database at once. So do receipts that are refused or large, and
//! those whose sender gives them an id that is known or [underway](crate::underway).

mod record;
mod ring;

use std::{
    io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use bugle_model::{Receipt, ReceiptState};
use bugle_store::{Appended, StoreError};
use rusqlite::Connection;
use tokio::sync::{
    mpsc::{self, Receiver, Sender},
    oneshot,
};

pub(crate) use self::ring::{NAME, Ring};
use self::{record::Record, ring::NotKept};
use crate::{
    OpenError,
    connection::{Moment, Role, open_other},
    fresh::{Fresh, insert},
    kept::Kept,
    receipts::{place_recovered, with_senders_id},
    recent::{Body, Recent},
    rest::Resting,
    sql::receipts as sql,
    underway::{Held, SendersId, Underway},
    writer::Post,
};

/// Receipts that may wait before callers wait for a place.
const QUEUE: usize = 1_024;
/// Largest record; what is larger goes to the database at once.
const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Largest body in one, so that there is space for a usual head.
const BODY_BYTES_MAX: usize = RECORD_BYTES_MAX - 16 * 1024;
/// Receipts in one flush.
const BATCH_MAX: usize = 512;
/// Bytes in one flush, but for its last record.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// A receipt that waits to be kept, and who waits for that.
struct Entry {
    body: Option<Body>,
    senders_id: Option<SendersId>,
    held: Option<Held>,
    /// None if it is for the database.
    record: Option<Record>,
    reply: oneshot::Sender<Outcome>,
}

impl Entry {
    fn len(&self) -> usize {
        self.record.as_ref().map_or(0, Record::len)
    }
}

/// What became of a receipt.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is durable.
    Kept(Appended),
    /// It is for the database, and so is each other one with its sender's id while that is held.
    ForDatabase(Option<Held>),
}

/// The thread and the way to it.
#[derive(Debug)]
pub(crate) struct Journal {
    queue: Option<Sender<Entry>>,
    thread: Option<JoinHandle<()>>,
    recent: Arc<Recent>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// Opens the file, or makes one, and brings into the database what only the file holds.
pub(crate) fn recover(folder: &Path, connection: &mut Connection) -> Result<Ring, OpenError> {
    let mark = connection.query_row(sql::JOURNAL_MARK, [], |row| row.get(0))?;
    let salt = connection.query_row("SELECT randomblob(8)", [], |row| row.get(0))?;
    let (ring, found) = Ring::open(folder, mark, salt)?;
    if !found.is_empty() {
        let transaction = connection.transaction()?;
        let missing = insert(&transaction, &found)?;
        missing.iter().try_for_each(|kept| place_recovered(&transaction, kept))?;
        transaction.execute(sql::SET_JOURNAL_MARK, [ring.next()])?;
        transaction.commit()?;
        if !missing.is_empty() {
            tracing::info!(receipts = missing.len(), "took in what only the journal held");
        }
    }
    Ok(ring)
}

impl Journal {
    pub(crate) fn start(
        folder: &Path,
        ring: Ring,
        fresh: &Arc<Fresh>,
        post: Post,
        rest: Resting,
    ) -> Result<Self, OpenError> {
        let database = open_other(folder, Role::Reader)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let recent = Arc::default();
        let keeper = Keeper {
            ring,
            fresh: Arc::clone(fresh),
            recent: Arc::clone(&recent),
            underway: Arc::default(),
            database,
            post,
            rest,
        };
        let thread = thread::Builder::new()
            .name("bugle-journal".to_owned())
            .spawn(move || keeper.run(receiver))
            .map_err(|source: io::Error| OpenError::Folder { folder: folder.to_owned(), source })?;
        Ok(Self { queue: Some(sender), thread: Some(thread), recent })
    }

    /// The bodies that came lately.
    pub(crate) fn recent(&self) -> &Arc<Recent> {
        &self.recent
    }

    /// Keeps a receipt, or tells that it is for the database.
    pub(crate) async fn append(&self, doing: &'static str, receipt: &Receipt) -> Result<Outcome, StoreError> {
        let closing = || StoreError::new(doing, "the store is closing");
        let mut record = None;
        if is_usual(receipt) {
            let kept = Kept::new(receipt).map_err(|error| StoreError::new(doing, error))?;
            record = Some(Record::new(kept)).filter(|record| record.len() <= RECORD_BYTES_MAX);
        }
        let senders_id = SendersId::of(receipt);
        if record.is_none() && senders_id.is_none() {
            return Ok(Outcome::ForDatabase(None));
        }
        let (reply, answer) = oneshot::channel();
        let entry = Entry { body: self.recent.body_of(receipt), senders_id, held: None, record, reply };
        self.queue.as_ref().ok_or_else(closing)?.send(entry).await.map_err(|_| closing())?;
        answer.await.map_err(|_| closing())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Whether a receipt is for the pipeline and not large, as nearly all are.
fn is_usual(receipt: &Receipt) -> bool {
    receipt.state == ReceiptState::Pending && receipt.body.len() <= BODY_BYTES_MAX
}

/// What the thread works with.
struct Keeper {
    ring: Ring,
    fresh: Arc<Fresh>,
    recent: Arc<Recent>,
    underway: Arc<Underway>,
    /// Reads.
    database: Connection,
    post: Post,
    rest: Resting,
}

impl Keeper {
    fn run(mut self, mut queue: Receiver<Entry>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while let Some(first) = self.rest.next(&mut queue, || self.rest.begin(&self.database)) {
            let mut bytes = first.len();
            batch.push(first);
            while batch.len() < BATCH_MAX
                && bytes < BATCH_BYTES_MAX
                && let Ok(entry) = queue.try_recv()
            {
                bytes += entry.len();
                batch.push(entry);
            }
            self.keep(&mut batch);
            if self.fresh.is_many() || self.ring.is_nearly_full(self.fresh.mark()) {
                self.fresh.file_soon(&self.post);
            }
        }
        self.fresh.file_at_last(&self.post);
    }

    /// Makes a batch durable and says so to those who wait, or gives it back.
    fn keep(&mut self, batch: &mut Vec<Entry>) {
        self.hold(batch);
        let mut replies = Vec::with_capacity(batch.len());
        match self.write(batch) {
            Ok(first) => {
                let mut kept = Vec::with_capacity(batch.len());
                for entry in batch.drain(..) {
                    let outcome = match entry.record {
                        Some(record) => {
                            kept.push((Arc::new(record.kept), entry.held));
                            Outcome::Kept(self.answer(entry.body))
                        }
                        None => Outcome::ForDatabase(entry.held),
                    };
                    replies.push((entry.reply, outcome));
                }
                // First, as the pipeline may be told of it by whoever waits, and the database asks for what is fresh.
                self.fresh.add((first..).zip(kept));
            }
            Err(not_kept) => {
                if let NotKept::Failed(error) = not_kept {
                    tracing::error!(%error, "could not write to the journal; calls go to the database at once");
                }
                let given_back = |entry: Entry| (entry.reply, Outcome::ForDatabase(entry.held));
                replies.extend(batch.drain(..).map(given_back));
            }
        }
        for (reply, outcome) in replies {
            // The caller may have given up waiting; what is kept is kept all the same.
            reply.send(outcome).ok();
        }
    }

    /// Writes the records of a batch; without room it waits for what is being taken in, and nobody for a transaction.
    fn write(&mut self, batch: &[Entry]) -> Result<i64, NotKept> {
        let bytes = batch.iter().map(Entry::len).sum();
        if bytes > 0 && !self.fresh.make_room(&self.post, |mark| self.ring.has_place(bytes, mark)) {
            return Err(NotKept::Full);
        }
        self.ring.write(batch.iter().filter_map(|entry| entry.record.as_ref()), self.fresh.mark())
    }

    /// Takes hold of the ids that senders gave, and leaves to the database the receipts that may repeat another.
    fn hold(&self, batch: &mut [Entry]) {
        for entry in batch.iter_mut() {
            if let Some(id) = entry.senders_id {
                let (held, is_alone) = self.underway.hold(id);
                entry.held = Some(held);
                entry.record = entry.record.take().filter(|_| is_alone);
            }
        }
        // Not before all are held: what was let go of is found there. If it cannot be asked now, it is to decide later.
        let mut moment = None;
        for entry in batch {
            if let (Some(id), Some(_)) = (entry.senders_id, &entry.record) {
                let moment = moment.get_or_insert_with(|| Moment::of(&self.database));
                let is_new = moment.is_ok() && matches!(with_senders_id(&self.database, id), Ok(None));
                entry.record = entry.record.take().filter(|_| is_new);
            }
        }
    }

    fn answer(&self, body: Option<Body>) -> Appended {
        let duplicate_of = body.as_ref().and_then(|body| self.recent.before(body));
        if let Some(body) = body {
            self.recent.remember(body);
        }
        Appended { duplicate_of }
    }
}

#[cfg(test)]
mod tests;
