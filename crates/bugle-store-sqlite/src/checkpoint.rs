//! Moves pages from the write-ahead log into the database, so that the log stays short and the writer does not pay.
//!
//! A thread with its own connection copies pages beside the writer. While the writer never rests, the log's end is
//! never reached that way, and the log could not begin anew; so when it has grown long, the writer is asked to copy the
//! few pages that are left between two of its transactions. Neither ever waits for a reader.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{
    OpenError,
    connection::{Role, open_other},
    rest::Resting,
};

/// Pages in the log that are worth copying: 4 MiB.
const COPY_PAGES_MIN: i64 = 1_000;
/// Pages in the log, copied or not, from which on it shall begin anew: 16 MiB. A log that is written over costs a fraction of
/// one that grows, as its blocks are there already, so it is kept short.
const RESTART_PAGES_MIN: i64 = 4_000;
/// Pages that the writer may be asked to copy: few, as all who write wait meanwhile.
const HELP_PAGES_MAX: i64 = 100;
/// How often what the writer added meanwhile is copied too before it is asked to help.
const COPIES_MAX: u32 = 4;
/// How long commits are left to gather before the log is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The writer's end: tells of commits and is asked for help.
#[derive(Debug)]
pub(crate) struct Signals {
    committed: Sender<()>,
    help_wanted: Arc<AtomicBool>,
}

impl Signals {
    /// Between two transactions of the writer: says that there was one, and helps if asked.
    pub(crate) fn after_commit(&self, writer: &Connection) {
        // A full channel means that the thread has been told already; a closed one, that it is gone.
        self.committed.try_send(()).ok();
        if self.help_wanted.swap(false, Ordering::Relaxed)
            && let Err(error) = Wal::copy(writer)
        {
            tracing::warn!(%error, "could not finish copying the write-ahead log; it is tried again");
        }
    }
}

/// The thread. It ends when the writer's end is dropped.
#[derive(Debug)]
pub(crate) struct Checkpointer(Option<JoinHandle<()>>);

impl Checkpointer {
    pub(crate) fn start(folder: &Path, rest: Resting) -> Result<(Self, Signals), OpenError> {
        let connection = open_other(folder, Role::Checkpointer)?;
        let (committed, commits) = mpsc::channel(1);
        let help_wanted = Arc::new(AtomicBool::new(false));
        let signals = Signals { committed, help_wanted: Arc::clone(&help_wanted) };
        let thread = thread::Builder::new()
            .name("bugle-checkpoint".to_owned())
            .spawn(move || run(&connection, commits, &help_wanted, &rest))
            .map_err(|source: io::Error| OpenError::Folder { folder: folder.to_owned(), source })?;
        Ok((Self(Some(thread)), signals))
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            drop(thread.join());
        }
    }
}

fn run(connection: &Connection, mut commits: Receiver<()>, help_wanted: &AtomicBool, rest: &Resting) {
    while let Some(()) = rest.next(&mut commits, || rest.begin(connection)) {
        thread::sleep(LOOK_EVERY);
        match look(connection) {
            Ok(help) => help_wanted.store(help, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "could not copy the write-ahead log; it is tried again"),
        }
    }
}

/// Copies if it is worth it; returns whether the writer should copy the rest.
fn look(connection: &Connection) -> rusqlite::Result<bool> {
    let before = Wal::measure(connection)?;
    if before.pages - before.copied < COPY_PAGES_MIN && before.pages < RESTART_PAGES_MIN {
        return Ok(false);
    }
    let mut wal = Wal::copy(connection)?;
    for _ in 1..COPIES_MAX {
        if wal.pages < RESTART_PAGES_MIN {
            return Ok(false);
        }
        wal = Wal::measure(connection)?;
        if wal.pages - wal.copied <= HELP_PAGES_MAX {
            break;
        }
        wal = Wal::copy(connection)?;
    }
    Ok(true)
}

/// What SQLite says of its log (<https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>).
#[derive(Debug, Clone, Copy)]
struct Wal {
    pages: i64,
    copied: i64,
}

impl Wal {
    fn measure(connection: &Connection) -> rusqlite::Result<Self> {
        Self::ask(connection, "PRAGMA wal_checkpoint(NOOP)")
    }

    fn copy(connection: &Connection) -> rusqlite::Result<Self> {
        Self::ask(connection, "PRAGMA wal_checkpoint(PASSIVE)")
    }

    fn ask(connection: &Connection, pragma: &str) -> rusqlite::Result<Self> {
        connection
            .prepare_cached(pragma)?
            .query_row([], |row| Ok(Self { pages: row.get(1)?, copied: row.get(2)? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::open_writer;

    #[test]
    fn measuring_copies_nothing_and_copying_copies_all() {
        let folder = tempfile::tempdir().unwrap();
        let writer = open_writer(folder.path()).unwrap();
        let other = open_other(folder.path(), Role::Checkpointer).unwrap();
        writer.execute_batch("CREATE TABLE t (x)").unwrap();
        for _ in 0..3 {
            writer.execute_batch("INSERT INTO t VALUES (zeroblob(9000))").unwrap();
        }
        let before = Wal::measure(&other).unwrap();
        assert!(before.pages > 3 && before.copied == 0, "{before:?}");
        let after = Wal::copy(&other).unwrap();
        assert_eq!((after.pages, after.copied), (before.pages, before.pages));
        assert!(!look(&other).unwrap());
    }

    #[test]
    fn a_log_that_was_copied_to_its_end_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let writer = open_writer(folder.path()).unwrap();
        let other = open_other(folder.path(), Role::Checkpointer).unwrap();
        writer.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(40000000))").unwrap();
        assert!(look(&other).unwrap(), "a log this long asks for the writer's help");
        writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        assert!(Wal::measure(&other).unwrap().pages < 10);
    }
}
