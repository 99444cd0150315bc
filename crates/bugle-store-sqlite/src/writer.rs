//! The one thread that writes. Everything that waits at the same moment shares one transaction, and nobody is answered
//! before it is durable.
//!
//! An operation that may fail half way runs in a savepoint and is undone alone. One that writes nothing once it has
//! failed, as a single insert does, needs none; nor does the first of a transaction, as there is nothing else to undo. SQLite
//! copies each page that is changed in a savepoint.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bugle_store::{CommitError, StoreError};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{
    mpsc::{self, Receiver, Sender},
    oneshot,
};

use crate::{OpenError, checkpoint::Signals, rest::Resting};

/// Operations that may wait before callers wait for a place.
const QUEUE: usize = 1_024;
/// Operations in one transaction.
const BATCH_MAX: usize = 512;
/// As many operations in the last transaction are a crowd: more of them are on their way.
const CROWD_MIN: usize = 4;
/// What a crowd's transaction waits for more to come before it begins, once or as long as each wait brings some. A flush costs
/// the same for one and for fifty.
const GATHER: Duration = Duration::from_micros(50);
/// Waits of one transaction.
const GATHERS_MAX: u32 = 3;
/// How long one transaction takes in more, so that the first in it is not kept waiting.
const BATCH_TIME_MAX: Duration = Duration::from_millis(2);

/// Why an operation wrote nothing.
#[derive(Debug)]
pub(crate) enum Abort {
    /// Somebody else was there first.
    Conflict,
    /// The database refused.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Abort {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// What a caller is told.
#[derive(Debug)]
pub(crate) enum WriteError {
    Conflict,
    Store(StoreError),
}

impl From<WriteError> for StoreError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict => Self::new("write", "somebody else was there first"),
            WriteError::Store(error) => error,
        }
    }
}

impl From<WriteError> for CommitError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict => Self::Conflict,
            WriteError::Store(error) => Self::Store(error),
        }
    }
}

/// Why a whole transaction was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("the transaction was not committed")]
    Database(#[from] rusqlite::Error),
    #[error(
        "another operation in the same transaction failed, and all were undone; nothing is kept, try again"
    )]
    Companion,
}

/// Whether an operation can be undone alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shield {
    /// It runs in a savepoint.
    Savepoint,
    /// If its first write fails it has written nothing, and its further writes fail only when the disk does.
    None,
}

/// What an operation left behind in the transaction.
pub(crate) enum Left {
    Change,
    Nothing,
    Unknown,
}

pub(crate) trait Operation: Send {
    fn shield(&self) -> Shield;
    fn run(&mut self, connection: &Connection) -> Left;
    fn answer(self: Box<Self>, committed: Result<(), Arc<Lost>>);
}

type OnCommit<T> = Box<dyn FnOnce(&T) + Send>;

struct Job<F, T> {
    doing: &'static str,
    shield: Shield,
    work: Option<F>,
    outcome: Option<Result<T, Abort>>,
    on_commit: Option<OnCommit<T>>,
    reply: oneshot::Sender<Result<T, WriteError>>,
}

impl<F, T> Operation for Job<F, T>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Abort> + Send,
{
    fn shield(&self) -> Shield {
        self.shield
    }

    fn run(&mut self, connection: &Connection) -> Left {
        let Some(work) = self.work.take() else { return Left::Nothing };
        let outcome = work(connection);
        let left = match &outcome {
            Ok(_) => Left::Change,
            Err(Abort::Conflict) => Left::Nothing,
            Err(Abort::Database(error))
                if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) =>
            {
                Left::Nothing
            }
            Err(Abort::Database(_)) => Left::Unknown,
        };
        self.outcome = Some(outcome);
        left
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<Lost>>) {
        let doing = self.doing;
        let answer = match (self.outcome, committed) {
            (Some(Err(Abort::Conflict)), _) => Err(WriteError::Conflict),
            (Some(Err(Abort::Database(error))), _) => Err(WriteError::Store(StoreError::new(doing, error))),
            (_, Err(lost)) => Err(WriteError::Store(StoreError::new(doing, lost))),
            (Some(Ok(value)), Ok(())) => {
                if let Some(on_commit) = self.on_commit {
                    on_commit(&value);
                }
                Ok(value)
            }
            (None, Ok(())) => Err(WriteError::Store(StoreError::new(
                doing,
                "the write broke off, which is a defect of Bugle",
            ))),
        };
        // The caller may have given up waiting; what it asked for is done all the same.
        drop(self.reply.send(answer));
    }
}

/// The thread and the way to it.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<Sender<Box<dyn Operation>>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for dyn Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operation")
    }
}

impl Writer {
    pub(crate) fn start(
        folder: &Path,
        connection: Connection,
        signals: Signals,
        rest: Resting,
    ) -> Result<Self, OpenError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("bugle-write".to_owned())
            .spawn(move || run(&connection, receiver, &signals, &rest))
            .map_err(|source: io::Error| OpenError::Folder { folder: folder.to_owned(), source })?;
        Ok(Self { queue: Some(sender), thread: Some(thread) })
    }

    /// Runs `work` in the next transaction and returns once that is durable. `doing` completes "could not ...".
    pub(crate) async fn write<T, F>(
        &self,
        doing: &'static str,
        shield: Shield,
        work: F,
    ) -> Result<T, WriteError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Abort> + Send + 'static,
    {
        self.submit(doing, shield, work, None).await
    }

    /// A way to it that does not wait.
    pub(crate) fn post(&self) -> Post {
        Post(self.queue.clone())
    }

    /// The same, and `on_commit` runs after the commit and before anything else is written, even if nobody waits for
    /// the answer any more.
    pub(crate) async fn write_then<T, F>(
        &self,
        doing: &'static str,
        shield: Shield,
        work: F,
        on_commit: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, WriteError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Abort> + Send + 'static,
    {
        self.submit(doing, shield, work, Some(Box::new(on_commit))).await
    }

    async fn submit<T, F>(
        &self,
        doing: &'static str,
        shield: Shield,
        work: F,
        on_commit: Option<OnCommit<T>>,
    ) -> Result<T, WriteError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Abort> + Send + 'static,
    {
        let closing = || WriteError::Store(StoreError::new(doing, "the store is closing"));
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Job { doing, shield, work: Some(work), outcome: None, on_commit, reply });
        self.queue.as_ref().ok_or_else(closing)?.send(job).await.map_err(|_| closing())?;
        answer.await.map_err(|_| closing())?
    }
}

/// A way to the writer for those who do not wait for its answer. The writer does not end before it is gone.
#[derive(Debug)]
pub(crate) struct Post(Option<Sender<Box<dyn Operation>>>);

impl Post {
    /// Hands an operation over; drops it when many others wait.
    pub(crate) fn soon(&self, operation: Box<dyn Operation>) {
        if let Some(queue) = &self.0 {
            drop(queue.try_send(operation));
        }
    }

    /// Hands an operation over, even if it must wait for a place.
    pub(crate) fn at_last(&self, operation: Box<dyn Operation>) {
        if let Some(queue) = &self.0 {
            drop(queue.blocking_send(operation));
        }
    }
}

/// An operation whose answer nobody waits for.
pub(crate) fn job<T, F>(
    doing: &'static str,
    shield: Shield,
    work: F,
    on_commit: impl FnOnce(&T) + Send + 'static,
) -> Box<dyn Operation>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Abort> + Send + 'static,
{
    let on_commit: OnCommit<T> = Box::new(on_commit);
    let (reply, _) = oneshot::channel();
    Box::new(Job { doing, shield, work: Some(work), outcome: None, on_commit: Some(on_commit), reply })
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn run(connection: &Connection, mut queue: Receiver<Box<dyn Operation>>, signals: &Signals, rest: &Resting) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut crowd = 0;
    while let Some(first) = rest.next(&mut queue, || rest.begin_last(connection)) {
        if crowd >= CROWD_MIN {
            gather(&queue);
        }
        let committed = write_batch(connection, first, &mut queue, &mut batch).map_err(Arc::new);
        if let Err(lost) = &committed {
            tracing::error!(error = %lost, source = ?std::error::Error::source(lost.as_ref()), "a transaction was lost");
        }
        crowd = batch.len();
        for operation in batch.drain(..) {
            operation.answer(committed.clone());
        }
        signals.after_commit(connection);
    }
}

/// Lets those come who are on their way.
fn gather<T>(queue: &Receiver<T>) {
    let mut waiting = queue.len();
    for _ in 0..GATHERS_MAX {
        thread::sleep(GATHER);
        let before = std::mem::replace(&mut waiting, queue.len());
        if waiting <= before {
            break;
        }
    }
}

fn write_batch(
    connection: &Connection,
    first: Box<dyn Operation>,
    queue: &mut Receiver<Box<dyn Operation>>,
    batch: &mut Vec<Box<dyn Operation>>,
) -> Result<(), Lost> {
    let began = Instant::now();
    let mut next = Some(first);
    let done = step(connection, "BEGIN IMMEDIATE").map_err(Lost::from).and_then(|()| {
        while let Some(mut operation) = next.take() {
            let left = run_one(connection, operation.as_mut(), batch.is_empty());
            batch.push(operation);
            left?;
            if batch.len() < BATCH_MAX && began.elapsed() < BATCH_TIME_MAX {
                next = queue.try_recv().ok();
            }
        }
        step(connection, "COMMIT").map_err(Lost::from)
    });
    batch.extend(next);
    if done.is_err()
        && !connection.is_autocommit()
        && let Err(error) = step(connection, "ROLLBACK")
    {
        tracing::error!(%error, "could not undo a transaction");
    }
    done
}

/// Runs one operation and undoes it alone if it failed; an error means that the whole transaction must be undone.
fn run_one(connection: &Connection, operation: &mut dyn Operation, is_first: bool) -> Result<(), Lost> {
    let shielded = operation.shield() == Shield::Savepoint;
    let in_savepoint = shielded && !is_first;
    if in_savepoint {
        step(connection, "SAVEPOINT operation")?;
    }
    let left = catch_unwind(AssertUnwindSafe(|| operation.run(connection))).unwrap_or_else(|_| {
        tracing::error!("a write to the store panicked");
        Left::Unknown
    });
    // SQLite undoes everything by itself on some errors, such as a full disk.
    if connection.is_autocommit() {
        return Err(Lost::Companion);
    }
    match left {
        Left::Change if in_savepoint => Ok(step(connection, "RELEASE operation")?),
        Left::Nothing | Left::Unknown if in_savepoint => {
            step(connection, "ROLLBACK TO operation")?;
            Ok(step(connection, "RELEASE operation")?)
        }
        Left::Nothing | Left::Unknown if shielded => {
            step(connection, "ROLLBACK")?;
            Ok(step(connection, "BEGIN IMMEDIATE")?)
        }
        Left::Change | Left::Nothing => Ok(()),
        Left::Unknown => Err(Lost::Companion),
    }
}

fn step(connection: &Connection, statement: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;
