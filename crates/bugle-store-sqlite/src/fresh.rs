//! Receipts that are in the journal and not in the database yet, and how they come into it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bugle_model::{ReceiptId, Timestamp, id::Id};
use bugle_store::StoreError;
use rusqlite::Connection;

use crate::{
    codec::Packer,
    kept::Kept,
    receipt_blocks,
    receipts::{insert_alone, insert_inbox},
    sql::receipts as sql,
    turn,
    underway::Held,
    writer::{Abort, Post, Shield, Writer, job},
};

const DOING: &str = "take receipts in";

/// So many are taken into the database together.
const MANY: usize = 512;
/// So many bytes of them are.
const MANY_BYTES: usize = 512 * 1024;
/// With so many the journal takes no more, and callers wait until the database has some.
const MOST: usize = 16 * MANY;
/// With so many bytes too.
pub(crate) const MOST_BYTES: usize = 8 * MANY_BYTES;

/// The fresh receipts.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    receipts: Mutex<Receipts>,
    /// Whether the writer was asked to file them and has not yet.
    is_filing: AtomicBool,
    /// That some were filed, or could not be.
    filed: Condvar,
}

#[derive(Debug, Default)]
struct Receipts {
    by_id: BTreeMap<i64, (Arc<Kept>, Option<Held>)>,
    bytes: usize,
    /// The number of the next record in the journal: above that of all that were ever fresh.
    next: i64,
    /// The database says that it has all with lower numbers.
    mark: i64,
}

impl Receipts {
    /// Whether they take such a share of the room for them: 2 is half of it.
    fn is_filled_to(&self, share: usize) -> bool {
        self.by_id.len() >= MOST / share || self.bytes >= MOST_BYTES / share
    }
}

/// What a transaction filed.
#[derive(Debug, Default)]
pub(crate) struct Filed {
    ids: Vec<i64>,
    mark: Option<i64>,
}

impl Filed {
    /// These receipts.
    pub(crate) fn of(receipts: &[Arc<Kept>]) -> Self {
        Self { ids: receipts.iter().map(|kept| kept.id).collect(), mark: None }
    }
}

/// Takes receipts into the database, but for where they stand; returns those that were not there already.
pub(crate) fn insert<'a>(
    connection: &Connection,
    receipts: &'a [Arc<Kept>],
) -> rusqlite::Result<Vec<&'a Kept>> {
    let mut packer = Packer::default();
    let mut new = Vec::with_capacity(receipts.len());
    for (some, is_block) in receipt_blocks::divide(receipts) {
        if is_block {
            new.extend(receipt_blocks::insert(connection, &mut packer, some)?);
        } else {
            for kept in some {
                new.extend(insert_alone(connection, kept)?.then_some(kept.as_ref()));
            }
        }
    }
    Ok(new)
}

impl Fresh {
    pub(crate) fn new(next: i64) -> Self {
        let receipts = Receipts { next, mark: next, ..Receipts::default() };
        Self { receipts: Mutex::new(receipts), is_filing: AtomicBool::new(false), filed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Receipts> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until more may come, and the journal has a place, which depends on the mark. If what is fresh cannot be filed, the
    /// database is in trouble, and there is none.
    pub(crate) fn make_room(self: &Arc<Self>, post: &Post, has_place: impl Fn(i64) -> bool) -> bool {
        let is_room = |receipts: &Receipts| !receipts.is_filled_to(1) && has_place(receipts.mark);
        if is_room(&self.lock()) {
            return true;
        }
        self.file_soon(post);
        let mut receipts = self.lock();
        while !is_room(&receipts) && self.is_filing.load(Ordering::Acquire) {
            receipts = self.filed.wait(receipts).unwrap_or_else(PoisonError::into_inner);
        }
        is_room(&receipts)
    }

    /// Whether it is time to file them.
    pub(crate) fn is_many(&self) -> bool {
        let receipts = self.lock();
        receipts.by_id.len() >= MANY || receipts.bytes >= MANY_BYTES
    }

    /// The number below which the database has everything.
    pub(crate) fn mark(&self) -> i64 {
        self.lock().mark
    }

    /// How many there are, and since when.
    pub(crate) fn inbox(&self) -> (u64, Option<Timestamp>) {
        let receipts = self.lock();
        let oldest = receipts.by_id.values().next().map(|(receipt, _)| receipt.received_at);
        (u64::try_from(receipts.by_id.len()).unwrap_or(u64::MAX), oldest)
    }

    /// The oldest of them.
    pub(crate) fn ids(&self, limit: u32) -> Vec<ReceiptId> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.lock().by_id.keys().take(limit).map(|id| Id::from_i64(*id)).collect()
    }

    /// One of them.
    pub(crate) fn get(&self, id: i64) -> Option<Arc<Kept>> {
        self.lock().by_id.get(&id).map(|(receipt, _)| Arc::clone(receipt))
    }

    /// Adds what the journal keeps, with its numbers.
    pub(crate) fn add(&self, kept: impl Iterator<Item = (i64, (Arc<Kept>, Option<Held>))>) {
        let mut receipts = self.lock();
        for (number, (receipt, mut held)) in kept {
            receipts.bytes += receipt.bytes().len();
            receipts.next = number + 1;
            if let Some(held) = &mut held {
                held.mark_fresh(Id::from_i64(receipt.id));
            }
            receipts.by_id.insert(receipt.id, (receipt, held));
        }
        turn::calls_need_work(receipts.is_filled_to(2));
    }

    /// Files all there are when it runs. The database has everything then, and says so.
    fn file_all(&self, connection: &Connection) -> rusqlite::Result<Filed> {
        let (all, next) = {
            let receipts = self.lock();
            let all: Vec<_> = receipts.by_id.values().map(|(receipt, _)| Arc::clone(receipt)).collect();
            (all, receipts.next)
        };
        let new = insert(connection, &all)?;
        insert_inbox(connection, new.iter().map(|kept| (kept.id, kept.integration_id)))?;
        connection.prepare_cached(sql::SET_JOURNAL_MARK)?.execute([next])?;
        Ok(Filed { mark: Some(next), ..Filed::of(&all) })
    }

    /// To be called once it is committed.
    pub(crate) fn filed(&self, filed: &Filed) {
        let mut receipts = self.lock();
        for id in &filed.ids {
            if let Some((receipt, _)) = receipts.by_id.remove(id) {
                receipts.bytes = receipts.bytes.saturating_sub(receipt.bytes().len());
            }
        }
        receipts.mark = filed.mark.map_or(receipts.mark, |mark| mark.max(receipts.mark));
        turn::calls_need_work(receipts.is_filled_to(2));
    }

    /// Files those that are fresh now, so that the database has every receipt that was kept before.
    pub(crate) async fn file_now(self: &Arc<Self>, writer: &Writer) -> Result<(), StoreError> {
        let is_done = {
            let receipts = self.lock();
            receipts.by_id.is_empty() && receipts.mark == receipts.next
        };
        if is_done {
            return Ok(());
        }
        let fresh = Arc::clone(self);
        let on_commit = move |filed: &Filed| fresh.filed(filed);
        Ok(writer.write_then(DOING, Shield::Savepoint, self.work(), on_commit).await.map(drop)?)
    }

    /// The same for a list, which is better shown without the latest than not at all.
    pub(crate) async fn file_if_possible(self: &Arc<Self>, writer: &Writer) {
        if self.lock().by_id.is_empty() {
            return;
        }
        if let Err(error) = self.file_now(writer).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a list lacks the latest receipts");
        }
    }

    /// Asks the writer to file them, unless it was asked already; does not wait.
    pub(crate) fn file_soon(self: &Arc<Self>, post: &Post) {
        if !self.is_filing.swap(true, Ordering::AcqRel) {
            post.soon(job(DOING, Shield::Savepoint, self.work(), Asked(Arc::clone(self)).on_commit()));
        }
    }

    /// Asks the writer to file them before it ends.
    pub(crate) fn file_at_last(self: &Arc<Self>, post: &Post) {
        let fresh = Arc::clone(self);
        post.at_last(job(DOING, Shield::Savepoint, self.work(), move |filed| fresh.filed(filed)));
    }

    pub(crate) fn work(
        self: &Arc<Self>,
    ) -> impl FnOnce(&Connection) -> Result<Filed, Abort> + Send + 'static {
        let fresh = Arc::clone(self);
        move |connection| Ok(fresh.file_all(connection)?)
    }
}

/// That the writer was asked. It may be asked again once this is gone, whether it did what it was asked or could not.
struct Asked(Arc<Fresh>);

impl Asked {
    fn on_commit(self) -> impl FnOnce(&Filed) + Send + 'static {
        move |filed| self.0.filed(filed)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let waiting = self.0.lock();
        self.0.is_filing.store(false, Ordering::Release);
        drop(waiting);
        self.0.filed.notify_all();
    }
}
