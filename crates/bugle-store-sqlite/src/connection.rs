//! How Bugle opens its database file: the folder, the lock that keeps a second process out, and each connection's settings.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{OpenError, turn::Turn};

/// The database's name in its folder.
const DATABASE: &str = "bugle.db";
/// Held locked for as long as the store is open. Its content means nothing.
const LOCK: &str = "bugle.lock";
/// Nobody but the checkpoint competes for locks, and it never waits.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// More statements than there are, so that none is ever prepared twice.
const STATEMENTS_CACHED: usize = 128;
/// Instructions of SQLite's machine after which the writer looks whether its turn is over: an insert has some 50.
const STEPS_BETWEEN_TURNS: i32 = 250;
/// A write-ahead log that grew beyond this is cut back when it begins anew.
const WAL_BYTES_KEPT: i64 = 64 * 1024 * 1024;

/// How many KiB of pages each kind of connection may keep in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Writer,
    Reader,
    Checkpointer,
}

impl Role {
    const fn cache_kib(self) -> i64 {
        match self {
            Self::Writer => 4 * 1024,
            Self::Reader => 2 * 1024,
            Self::Checkpointer => 64,
        }
    }
}

/// Makes the folder, for its owner only, if there is none.
pub(crate) fn make_folder(folder: &Path) -> Result<(), OpenError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })
}

/// Takes the folder for this process. The lock goes when the file is closed, by a crash too.
pub(crate) fn lock(folder: &Path) -> Result<File, OpenError> {
    let refuse = |source: io::Error| OpenError::Folder { folder: folder.to_owned(), source };
    let file = owner_only(OpenOptions::new().write(true).create(true).truncate(false))
        .open(folder.join(LOCK))
        .map_err(refuse)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(refuse(source)),
    }
}

pub(crate) fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Opens the one connection that writes, and makes the file if there is none. SQLite gives its other files the same mode.
pub(crate) fn open_writer(folder: &Path) -> Result<Connection, OpenError> {
    let path = folder.join(DATABASE);
    owner_only(OpenOptions::new().write(true).create(true).truncate(false))
        .open(&path)
        .map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })?;
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Only a file without tables takes this: it lets retention hand space back to the system.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    configure(&connection, Role::Writer)?;
    let mut turn = Turn::default();
    let pass = move || {
        turn.pass();
        false
    };
    connection.progress_handler(STEPS_BETWEEN_TURNS, Some(pass))?;
    Ok(connection)
}

/// Opens a connection that only reads, or only checkpoints.
pub(crate) fn open_other(folder: &Path, role: Role) -> rusqlite::Result<Connection> {
    let access = match role {
        Role::Reader => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Role::Writer | Role::Checkpointer => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let connection =
        Connection::open_with_flags(folder.join(DATABASE), access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&connection, role)?;
    Ok(connection)
}

fn configure(connection: &Connection, role: Role) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // A commit returns when the log is on disk: what was acknowledged survives a loss of power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Rows are inserted in the order of their references by one writer, and retention deletes them in its own order.
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cache_size", -role.cache_kib())?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Otherwise SQLite looks at what is bound to choose a plan, and makes a new one for every value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    if matches!(role, Role::Reader) {
        connection.pragma_update(None, "query_only", true)?;
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(())
}

/// What a connection reads until this is dropped is of one moment, that of the first statement. Without it each takes the
/// file's lock anew, and lets go of all pages when there was a commit since the last.
pub(crate) struct Moment<'c>(&'c Connection);

impl<'c> Moment<'c> {
    pub(crate) fn of(connection: &'c Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Self(connection))
    }
}

impl Drop for Moment<'_> {
    fn drop(&mut self) {
        // A failure may have ended it.
        if !self.0.is_autocommit()
            && let Err(error) = self.0.prepare_cached("COMMIT").and_then(|mut end| end.execute([]))
        {
            tracing::error!(%error, "a read of the store was not ended");
        }
    }
}
