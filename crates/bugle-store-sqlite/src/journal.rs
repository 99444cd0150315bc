//! The journal: where a call is made durable.
//!
//! A receipt is written to the end of a small file that is flushed, and the caller has its answer; the database takes it in
//! later, with others, or with what the pipeline makes of it. So a caller waits for one write of what it sent and for one
//! flush, shared by all who wait, and never for a transaction. Until a receipt is in the database it is [fresh](crate::fresh):
//! in memory too, where the pipeline finds it. After a crash, what is not in the database yet is read from the file.
//!
//! What the journal has no room for or cannot keep goes to the database at once. So do receipts that name the delivery they
//! may repeat, as the database knows those, and receipts that are refused or large.

mod record;
mod ring;

use std::{
    io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use bugle_model::{Receipt, ReceiptState, receipt::DedupKey};
use bugle_store::{Appended, StoreError};
use rusqlite::Connection;
use tokio::sync::{
    mpsc::{self, Receiver, Sender},
    oneshot,
};

pub(crate) use self::ring::{Ring, SIZE};
use self::{record::Record, ring::NotKept};
use crate::{
    OpenError,
    fresh::{Fresh, file},
    kept::Kept,
    recent::{Body, Recent},
    sql::receipts as sql,
    writer::{CROWD_MIN, Post, gather},
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
/// Waits for more to come before one flush.
const GATHERS_MAX: u32 = 5;

/// A receipt that waits to be kept, and who waits for that; told nothing if it cannot be.
struct Entry {
    body: Option<Body>,
    record: Record,
    reply: oneshot::Sender<Option<Appended>>,
}

/// The thread and the way to it.
#[derive(Debug)]
pub(crate) struct Journal {
    queue: Option<Sender<Entry>>,
    thread: Option<JoinHandle<()>>,
    fresh: Arc<Fresh>,
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
        let missing = file(&transaction, &found)?;
        transaction.execute(sql::SET_JOURNAL_MARK, [ring.next()])?;
        transaction.commit()?;
        if missing > 0 {
            tracing::info!(receipts = missing, "took in what only the journal held");
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
    ) -> Result<Self, OpenError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let recent = Arc::default();
        let keeper = Keeper { ring, fresh: Arc::clone(fresh), recent: Arc::clone(&recent), post };
        let thread = thread::Builder::new()
            .name("bugle-journal".to_owned())
            .spawn(move || keeper.run(receiver))
            .map_err(|source: io::Error| OpenError::Folder { folder: folder.to_owned(), source })?;
        Ok(Self { queue: Some(sender), thread: Some(thread), fresh: Arc::clone(fresh), recent })
    }

    /// The bodies that came lately.
    pub(crate) fn recent(&self) -> &Arc<Recent> {
        &self.recent
    }

    /// Keeps a receipt. It is durable when this returns what became of it; otherwise it is for the database.
    pub(crate) async fn append(
        &self,
        doing: &'static str,
        receipt: &Receipt,
    ) -> Result<Option<Appended>, StoreError> {
        let closing = || StoreError::new(doing, "the store is closing");
        if !is_usual(receipt) || !self.fresh.has_room() {
            return Ok(None);
        }
        let record = Record::new(Kept::new(receipt).map_err(|error| StoreError::new(doing, error))?);
        if record.len() > RECORD_BYTES_MAX {
            return Ok(None);
        }
        let (reply, answer) = oneshot::channel();
        let entry = Entry { body: Body::of(receipt), record, reply };
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

/// Whether a receipt is for the pipeline and asks nothing of the database first, as nearly all are.
fn is_usual(receipt: &Receipt) -> bool {
    receipt.state == ReceiptState::Pending
        && receipt.body.len() <= BODY_BYTES_MAX
        && !matches!(receipt.dedup_key, Some(DedupKey { explicit: true, .. }))
}

/// What the thread works with.
struct Keeper {
    ring: Ring,
    fresh: Arc<Fresh>,
    recent: Arc<Recent>,
    post: Post,
}

impl Keeper {
    fn run(mut self, mut queue: Receiver<Entry>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut crowd = 0;
        while let Some(first) = queue.blocking_recv() {
            if crowd >= CROWD_MIN {
                gather(&queue, GATHERS_MAX);
            }
            let mut bytes = first.record.len();
            batch.push(first);
            while batch.len() < BATCH_MAX
                && bytes < BATCH_BYTES_MAX
                && let Ok(entry) = queue.try_recv()
            {
                bytes += entry.record.len();
                batch.push(entry);
            }
            crowd = batch.len();
            self.keep(&mut batch);
            if self.fresh.is_many() || self.ring.is_nearly_full(self.fresh.mark()) {
                self.fresh.file_soon(&self.post);
            }
        }
        self.fresh.file_at_last(&self.post);
    }

    /// Makes a batch durable and says so to those who wait, or gives it back.
    fn keep(&mut self, batch: &mut Vec<Entry>) {
        match self.ring.write(batch.iter().map(|entry| &entry.record), self.fresh.mark()) {
            Ok(first) => {
                let kept = batch
                    .drain(..)
                    .map(|entry| (Arc::new(entry.record.kept), entry.body, entry.reply))
                    .collect::<Vec<_>>();
                // First, as the pipeline may be told of it by whoever waits.
                self.fresh.add((first..).zip(kept.iter().map(|(receipt, ..)| Arc::clone(receipt))));
                for (_, body, reply) in kept {
                    // The caller may have given up waiting; it is kept all the same.
                    reply.send(Some(self.answer(body))).ok();
                }
            }
            Err(not_kept) => {
                if let NotKept::Failed(error) = not_kept {
                    tracing::error!(%error, "could not write to the journal; calls go to the database at once");
                }
                for entry in batch.drain(..) {
                    entry.reply.send(None).ok();
                }
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
mod tests {
    use bugle_model::{IntegrationId, id::Id};
    use bugle_store::{Store, conformance::sample};

    use super::*;
    use crate::{Options, SqliteStore};

    /// Nobody is refused because of a journal that cannot be written, and nothing is lost by it.
    #[tokio::test]
    async fn what_cannot_be_written_goes_to_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(folder.path(), Options::default()).unwrap();
        let (ring, _) = Ring::open(folder.path(), 0, [0; 8]).unwrap();
        let ring = ring.on_a_broken_disk(folder.path());
        store.journal = Journal::start(folder.path(), ring, &store.fresh, store.writer.post()).unwrap();
        for id in 1..=3 {
            store.append(sample::receipt(id, IntegrationId::from_i64(5))).await.unwrap();
            assert_eq!(store.fresh.inbox().0, 0, "it is in the database and not in the journal");
        }
        drop(store);
        let store = SqliteStore::open(folder.path(), Options::default()).unwrap();
        assert_eq!(store.pending_ids(10).await.unwrap(), [1, 2, 3].map(Id::from_i64));
    }
}
