//! The journal's file: a header and two halves that are written over in turn.
//!
//! The file has its full size from the beginning and is only ever written over: a flush then waits for the data alone, which
//! takes half as long as one that also changes the file. A half is begun anew when all in it is in the database, which the
//! database's own mark says: the number below which it has everything. What is found after a crash is all that is whole and
//! not below the mark, wherever it stands; what a half held before is below it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::record::{ALIGNMENT, Found, Record, Salt, find};
use crate::{OpenError, kept::Kept};

const NAME: &str = "bugle.journal";
/// Under which it is made. Without its real name it is nothing yet.
const NEW_NAME: &str = "bugle.journal.new";
/// How a file begins; the salt comes next.
const MAGIC: &[u8; 16] = b"bugle journal 1\n";
/// Bytes before the first half.
const HEADER: usize = 4_096;
/// Bytes of a half: some 1,400 receipts of a usual size, several times what is ever fresh.
const HALF: usize = 2 * 1024 * 1024;
const SIZE: usize = HEADER + 2 * HALF;

/// Why a batch is not in the file.
#[derive(Debug)]
pub(super) enum NotKept {
    /// What the other half holds is not in the database yet.
    Full,
    /// The disk failed.
    Failed(io::Error),
}

/// The file, and where it goes on.
#[derive(Debug)]
pub(crate) struct Ring {
    file: File,
    salt: Salt,
    /// The half that is written to, 0 or 1.
    half: usize,
    /// Bytes in it.
    filled: usize,
    /// The highest number in each half.
    highest: [i64; 2],
    /// The next record's number.
    next: i64,
    buffer: Vec<u8>,
}

impl Ring {
    /// Opens the file, or makes one with this salt; returns also what in it is not below the mark, in its order. When that
    /// is in the database, the ring may be written to.
    pub(super) fn open(folder: &Path, mark: i64, salt: Salt) -> Result<(Self, Vec<Arc<Kept>>), OpenError> {
        let path = folder.join(NAME);
        let refuse = |source| OpenError::Folder { folder: folder.to_owned(), source };
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, salt).map_err(refuse)?,
            file => file.map_err(refuse)?,
        };
        let mut bytes = Vec::with_capacity(SIZE);
        file.read_to_end(&mut bytes).map_err(refuse)?;
        let salt = bytes.strip_prefix(MAGIC).and_then(<[u8]>::first_chunk);
        let Some(salt) = salt.copied().filter(|_| bytes.len() == SIZE) else {
            return Err(OpenError::Journal { path });
        };
        let (next, found) = recover(&bytes, mark, salt);
        let ring = Self { file, salt, half: 0, filled: 0, highest: [i64::MIN; 2], next, buffer: Vec::new() };
        Ok((ring, found))
    }

    /// The number of the next record.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// Whether the half that comes next should be free soon and is not yet.
    pub(super) fn is_nearly_full(&self, mark: i64) -> bool {
        self.filled > HALF / 4 * 3 && self.is_needed(1 - self.half, mark)
    }

    fn is_needed(&self, half: usize, mark: i64) -> bool {
        self.highest.get(half).is_some_and(|highest| *highest >= mark)
    }

    /// Writes records and flushes; returns the number of the first.
    pub(super) fn write<'a>(
        &mut self,
        records: impl Iterator<Item = &'a Record>,
        mark: i64,
    ) -> Result<i64, NotKept> {
        let first = self.next;
        self.buffer.clear();
        for record in records {
            record.write(&mut self.buffer, self.salt, self.next);
            // Never used again, even if the disk fails.
            self.next += 1;
        }
        if self.filled + self.buffer.len() > HALF {
            if self.is_needed(1 - self.half, mark) {
                return Err(NotKept::Full);
            }
            (self.half, self.filled) = (1 - self.half, 0);
        }
        let place = HEADER + self.half * HALF + self.filled;
        self.file
            .write_all_at(&self.buffer, u64::try_from(place).unwrap_or(u64::MAX))
            .and_then(|()| self.file.sync_data())
            .map_err(NotKept::Failed)?;
        self.filled += self.buffer.len();
        if let Some(highest) = self.highest.get_mut(self.half) {
            *highest = self.next - 1;
        }
        Ok(first)
    }
}

/// Makes the file whole before it has its name.
fn make(folder: &Path, salt: Salt) -> io::Result<File> {
    let (new, path): (PathBuf, PathBuf) = (folder.join(NEW_NAME), folder.join(NAME));
    let mut bytes = vec![0; SIZE];
    for (to, from) in bytes.iter_mut().zip(MAGIC.iter().chain(&salt)) {
        *to = *from;
    }
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all_at(&bytes, 0)?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// What is whole and not below the mark, in its order, and the number that comes next.
fn recover(bytes: &[u8], mark: i64, salt: Salt) -> (i64, Vec<Arc<Kept>>) {
    let (mut next, mut broken, mut found) = (mark, 0_u32, Vec::new());
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    while !rest.is_empty() {
        let mut step = ALIGNMENT;
        match find(rest, salt) {
            Found::Nothing => {}
            Found::Broken(number) => {
                broken += u32::from(number >= mark);
                next = next.max(number.saturating_add(1));
            }
            Found::Whole { number, receipt, length } => {
                step = length;
                next = next.max(number.saturating_add(1));
                if number >= mark {
                    match Kept::read(receipt).and_then(Kept::new) {
                        Ok(receipt) => found.push((number, receipt)),
                        Err(error) => {
                            tracing::error!(number, %error, "a record of the journal cannot be read");
                        }
                    }
                }
            }
        }
        rest = rest.get(step..).unwrap_or_default();
    }
    if broken > 0 {
        tracing::warn!(
            records = broken,
            "the journal holds records that are not whole: calls that were not answered yet when the power failed, or a \
             damaged disk"
        );
    }
    found.sort_unstable_by_key(|(number, _)| *number);
    (next, found.into_iter().map(|(_, receipt)| Arc::new(receipt)).collect())
}
