//! The embedded store: SQLite with one writer thread and group commit.
//!
//! Layout:
//! - `connection`, `migrate`: the file, its settings, its schema.
//! - `journal`, `fresh`, `underway`: where a call is made durable, and how it comes into the database.
//! - `writer`: the one thread that writes; everything that waits shares a transaction.
//! - `readers`: a few threads that only read and never make the writer wait.
//! - `checkpoint`: keeps the write-ahead log short, beside the writer.
//! - `rest`: what the threads do when nothing comes.
//! - `kept`, `blocks`: a receipt as bytes, and many of them packed as one.
//! - `receipts`, `receipt_reads`, `recent`, `pipeline`, `incidents`, `deliveries`, `delivery_pages`, `redelivery`, `claims`, `events`,
//!   `config`, `users`, `audit`: the intentions, by noun.
//! - `retention`: what is old goes, and its space is given back.
//! - `sql`: every statement. `codec`, `page`, `words`, `tally`: rows, pages, searches and counts.
//!
//! What never lives here: decisions about alerts, incidents or retries; HTTP.

mod activity;
mod attempts;
mod audit;
mod blocks;
mod checkpoint;
mod claims;
mod codec;
mod config;
mod connection;
mod deliveries;
mod delivery_pages;
mod document;
mod events;
mod filter;
mod fresh;
mod incidents;
mod journal;
mod kept;
mod line;
mod migrate;
mod page;
mod pipeline;
mod readers;
mod receipt_blocks;
mod receipt_reads;
mod receipts;
mod recent;
mod redelivery;
mod related;
mod rest;
mod retention;
mod sql;
mod store;
mod tally;
mod turn;
mod underway;
mod users;
mod words;
mod writer;

use std::{fs::File, io, path::Path, path::PathBuf, sync::Arc};

use bugle_model::{Clock, SystemClock};

use crate::{
    checkpoint::Checkpointer,
    claims::Claims,
    connection::{lock, make_folder, open_writer},
    events::Events,
    fresh::Fresh,
    journal::Journal,
    migrate::migrate,
    readers::Readers,
    rest::Resting,
    retention::Retention,
    writer::Writer,
};

pub use crate::rest::Rest;

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("`{}` is in use by another Bugle: stop that one, or choose another data folder", folder.display())]
    InUse {
        /// The data folder.
        folder: PathBuf,
    },
    /// The folder or a file in it could not be made or opened, or a thread not started.
    #[error("could not open the data folder `{}`: check that it is a folder that Bugle's user may write to", folder.display())]
    Folder {
        /// The data folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What should be the journal is something else.
    #[error(
        "`{}` is not a journal of Bugle, or is damaged; it may hold calls that are not in the database yet: restore it from a backup of the same moment as the database, or move it away to go on without them", path.display()
    )]
    Journal {
        /// The file.
        path: PathBuf,
    },
    /// A newer version has written it.
    #[error(
        "the database has schema {found}, and this program knows schema {known}: a newer version of Bugle has used it; run that version, or restore a backup made before"
    )]
    NewerSchema {
        /// What was found.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// SQLite refused.
    #[error("could not open the database")]
    Database(#[from] rusqlite::Error),
}

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that read.
    pub readers: usize,
    /// Tells when a delivery was settled without an attempt.
    pub clock: Arc<dyn Clock>,
    /// What each of the store's threads does when nothing comes.
    pub rest: Rest,
}

impl Default for Options {
    /// Three readers, the machine's clock, and what [`Rest`] says.
    fn default() -> Self {
        Self { readers: 3, clock: Arc::new(SystemClock), rest: Rest::default() }
    }
}

/// The embedded store. Dropping it waits for what was asked of it, and lets go of the data folder.
#[derive(Debug)]
pub struct SqliteStore {
    // In the order in which they must go: no more receipts, no more writes, no more checkpoints, then the lock.
    journal: Journal,
    writer: Writer,
    readers: Readers,
    _checkpointer: Checkpointer,
    claims: Arc<Claims>,
    fresh: Arc<Fresh>,
    events: Arc<Events>,
    retention: Arc<Retention>,
    clock: Arc<dyn Clock>,
    _lock: File,
}

impl SqliteStore {
    /// Opens the store in `folder`, and makes both if there is none. Blocks for as long as the disk takes.
    pub fn open(folder: &Path, options: Options) -> Result<Self, OpenError> {
        make_folder(folder)?;
        let lock = lock(folder)?;
        let mut connection = open_writer(folder)?;
        migrate(&mut connection)?;
        let ring = journal::recover(folder, &mut connection)?;
        let events = Arc::<Events>::default();
        let rest = Resting::from(events.forgotten_in(options.rest));
        let (checkpointer, signals) = Checkpointer::start(folder, rest.clone())?;
        let writer = Writer::start(folder, connection, signals, rest.clone())?;
        let fresh = Arc::new(Fresh::new(ring.next()));
        Ok(Self {
            readers: Readers::start(folder, options.readers, &rest)?,
            journal: Journal::start(folder, ring, &fresh, writer.post(), rest)?,
            writer,
            _checkpointer: checkpointer,
            claims: Arc::default(),
            fresh,
            events,
            retention: Arc::default(),
            clock: options.clock,
            _lock: lock,
        })
    }
}
