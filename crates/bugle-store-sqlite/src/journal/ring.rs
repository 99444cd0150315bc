//! The journal's file: a header and parts that are written over in turn.
//!
//! The file has its full size from the beginning and is only ever written over: a flush then waits for the data alone, which
//! takes two thirds of the time of one that also changes the file. A part is begun anew when all in it is in the database, which the
//! database's own mark says: the number below which it has everything. What is found after a crash is all that is whole and
//! not below the mark, wherever it stands; what a part held before is below it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    BATCH_BYTES_MAX, RECORD_BYTES_MAX,
    record::{ALIGNMENT, Found, Record, Salt, find},
};
use crate::{OpenError, connection::owner_only, fresh, kept::Kept};

pub(crate) const NAME: &str = "bugle.journal";
/// Under which it is made. Without its real name it is nothing yet.
const NEW_NAME: &str = "bugle.journal.new";
/// How a file begins; the salt comes next.
const MAGIC: &[u8; 16] = b"bugle journal 1\n";
/// Bytes before the first part.
const HEADER: usize = 4_096;
/// Bytes of a part. A batch is not written across two, so some of each may stay empty.
const PART: usize = 1024 * 1024;
/// Parts of a new file.
const PARTS: usize = 8;
/// Fewest parts of a file, which an earlier version made.
const PARTS_MIN: usize = 4;
// What may be fresh finds a place, be each part but one filled only so far that the largest batch does not fit any more.
const _: () =
    assert!((PARTS - 1) * (PART - BATCH_BYTES_MAX - RECORD_BYTES_MAX) >= fresh::MOST_BYTES + BATCH_BYTES_MAX);
/// Bytes of a new file.
const SIZE: u64 = (HEADER + PARTS * PART) as u64;
/// Bytes that are looked at together when the file is read.
const WINDOW: usize = 256 * 1024;

/// Why a batch is not in the file.
#[derive(Debug)]
pub(super) enum NotKept {
    /// What the next part holds is not in the database yet.
    Full,
    /// The disk failed.
    Failed(io::Error),
}

/// The file, and where it goes on. Its salt is shown to nobody.
pub(crate) struct Ring {
    file: File,
    salt: Salt,
    /// The part that is written to.
    part: usize,
    /// Bytes in it.
    filled: usize,
    /// The highest number in each part.
    highest: Vec<i64>,
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
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, salt).map_err(refuse)?,
            file => file.map_err(refuse)?,
        };
        let size = file.metadata().map_err(refuse)?.len();
        let mut header = [0; MAGIC.len() + size_of::<Salt>()];
        let read = file.read_exact_at(&mut header, 0);
        let salt = header.strip_prefix(MAGIC).and_then(<[u8]>::first_chunk);
        let (Some(salt), true, Some(parts)) = (salt.copied(), read.is_ok(), parts_of(size)) else {
            return Err(OpenError::Journal { path });
        };
        let (next, found) = recover(&file, size, mark, salt).map_err(refuse)?;
        let (file, parts) = if parts < PARTS && next == mark {
            (make(folder, salt).map_err(refuse)?, PARTS)
        } else {
            (file, parts)
        };
        let highest = vec![i64::MIN; parts];
        Ok((Self { file, salt, part: 0, filled: 0, highest, next, buffer: Vec::new() }, found))
    }

    /// The number of the next record.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// Whether less than a quarter is free.
    pub(super) fn is_nearly_full(&self, mark: i64) -> bool {
        self.is_needed(self.ahead(self.highest.len() / 4), mark)
    }

    /// The part that comes after so many.
    fn ahead(&self, parts: usize) -> usize {
        (self.part + parts) % self.highest.len()
    }

    /// Whether so many bytes of records can be written.
    pub(super) fn has_place(&self, bytes: usize, mark: i64) -> bool {
        self.filled + bytes <= PART || !self.is_needed(self.ahead(1), mark)
    }

    fn is_needed(&self, part: usize, mark: i64) -> bool {
        self.highest.get(part).is_some_and(|highest| *highest >= mark)
    }

    /// Writes records, if there are any, and flushes; returns the number of the first.
    pub(super) fn write<'a>(
        &mut self,
        records: impl Iterator<Item = &'a Record>,
        mark: i64,
    ) -> Result<i64, NotKept> {
        let first = self.next;
        self.buffer.clear();
        for record in records {
            record.write(&mut self.buffer, self.salt, self.next);
            self.next += 1;
        }
        if self.buffer.is_empty() {
            return Ok(first);
        }
        if !self.has_place(self.buffer.len(), mark) {
            self.next = first;
            return Err(NotKept::Full);
        }
        if self.filled + self.buffer.len() > PART {
            (self.part, self.filled) = (self.ahead(1), 0);
        }
        let place = HEADER + self.part * PART + self.filled;
        // If this fails, some of it may be there all the same, so its numbers are not used again.
        self.file
            .write_all_at(&self.buffer, u64::try_from(place).unwrap_or(u64::MAX))
            .and_then(|()| self.file.sync_data())
            .map_err(NotKept::Failed)?;
        self.filled += self.buffer.len();
        if let Some(highest) = self.highest.get_mut(self.part) {
            *highest = self.next - 1;
        }
        Ok(first)
    }
}

/// How many parts a file of this size has. Earlier versions made smaller ones, which are used until nothing in them is needed.
fn parts_of(size: u64) -> Option<usize> {
    let bytes = usize::try_from(size).ok()?.checked_sub(HEADER)?;
    let is_whole = bytes.is_multiple_of(PART) && (PARTS_MIN..=PARTS).contains(&(bytes / PART));
    is_whole.then_some(bytes / PART)
}

/// Makes the file whole before it has its name.
fn make(folder: &Path, salt: Salt) -> io::Result<File> {
    let (new, path): (PathBuf, PathBuf) = (folder.join(NEW_NAME), folder.join(NAME));
    let header: Vec<u8> = MAGIC.iter().chain(&salt).copied().collect();
    let mut file =
        owner_only(OpenOptions::new().read(true).write(true).create(true).truncate(true)).open(&new)?;
    io::copy(&mut io::repeat(0).take(SIZE), &mut file)?;
    file.write_all_at(&header, 0)?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// What is whole and not below the mark, in its order, and the number that comes next.
fn recover(file: &File, size: u64, mark: i64, salt: Salt) -> io::Result<(i64, Vec<Arc<Kept>>)> {
    let (mut next, mut broken, mut found) = (mark, 0_u32, Vec::new());
    let mut window = Vec::with_capacity(WINDOW);
    let mut place = HEADER as u64;
    while place < size {
        window.resize(WINDOW.min(usize::try_from(size - place).unwrap_or(WINDOW)), 0);
        file.read_exact_at(&mut window, place)?;
        let mut rest = window.as_slice();
        // A record that begins before the last bytes of the window ends in it.
        let last = if place + WINDOW as u64 >= size { 0 } else { RECORD_BYTES_MAX };
        while rest.len() > last {
            let mut step = ALIGNMENT;
            match find(rest, salt) {
                Found::Nothing => {}
                // Its number may be broken too, and says nothing of the next.
                Found::Broken(number) => broken += u32::from(number >= mark),
                Found::Whole { number, receipt, length } => {
                    step = length;
                    next = next.max(number.saturating_add(1));
                    if number >= mark {
                        match Kept::read(receipt).and_then(|receipt| Kept::new(&receipt)) {
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
        place += (window.len() - rest.len()) as u64;
    }
    if broken > 0 {
        tracing::warn!(
            records = broken,
            "the journal holds records that are not whole: calls that were not answered yet when the power failed, or a \
             damaged disk"
        );
    }
    found.sort_unstable_by_key(|(number, _)| *number);
    Ok((next, found.into_iter().map(|(_, receipt)| Arc::new(receipt)).collect()))
}

#[cfg(test)]
impl Ring {
    /// The same, and each write fails.
    pub(super) fn on_a_broken_disk(self, folder: &Path) -> Self {
        Self { file: File::open(folder.join(NAME)).unwrap(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use bugle_model::{IntegrationId, Receipt};
    use bugle_store::conformance::sample;

    use super::*;

    const SALT: Salt = [3, 1, 4, 1, 5, 9, 2, 6];

    fn record(id: i64, body: usize) -> Record {
        let receipt = Receipt { body: vec![b'x'; body], ..sample::receipt(id, IntegrationId::from_i64(5)) };
        Record::new(Kept::new(&receipt).unwrap())
    }

    fn ids(found: &[Arc<Kept>]) -> Vec<i64> {
        found.iter().map(|kept| kept.id).collect()
    }

    #[test]
    fn what_was_written_is_found_wherever_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ring, found) = Ring::open(folder.path(), 0, SALT).unwrap();
        assert!(found.is_empty());
        // Some of the records lie across the ends of windows.
        for id in 0..60 {
            assert_eq!(ring.write([record(id, 30_000)].iter(), 0).unwrap(), id);
        }
        drop(ring);
        for (mark, expected) in [(0, 0..60), (17, 17..60), (60, 0..0)] {
            let (ring, found) = Ring::open(folder.path(), mark, [0; 8]).unwrap();
            assert_eq!(ids(&found), expected.collect::<Vec<_>>());
            assert_eq!(ring.next(), 60);
        }
    }

    #[test]
    fn a_broken_number_says_nothing_of_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ring, _) = Ring::open(folder.path(), 0, SALT).unwrap();
        for id in 0..2 {
            ring.write([record(id, 100)].iter(), 0).unwrap();
        }
        let place = HEADER + record(0, 100).len() + SALT.len();
        ring.file.write_all_at(&i64::MAX.to_le_bytes(), u64::try_from(place).unwrap()).unwrap();
        let (ring, found) = Ring::open(folder.path(), 0, SALT).unwrap();
        assert_eq!((ids(&found), ring.next()), (vec![0], 1));
    }

    /// What is there of a record whose writing failed may be found, so that its number is not given to another.
    #[test]
    fn a_disk_that_fails_is_told_of_and_takes_its_numbers_along() {
        let folder = tempfile::tempdir().unwrap();
        let (ring, _) = Ring::open(folder.path(), 0, SALT).unwrap();
        let mut ring = ring.on_a_broken_disk(folder.path());
        assert!(matches!(ring.write([record(0, 100)].iter(), 0), Err(NotKept::Failed(_))));
        assert_eq!(ring.next(), 1);
    }

    /// A sender knows the records of other files, and not what makes one of this file.
    #[test]
    fn a_body_that_looks_like_a_record_is_none() {
        let mut inner = Vec::new();
        record(7, 10).write(&mut inner, SALT, 70);
        // Wherever the body begins, one of them stands where a record would.
        let body: Vec<u8> = (0..ALIGNMENT).flat_map(|by| [vec![0; by], inner.clone()].concat()).collect();
        for (salt, expected) in [([0; 8], vec![]), (SALT, vec![7])] {
            let folder = tempfile::tempdir().unwrap();
            let (mut ring, _) = Ring::open(folder.path(), 0, salt).unwrap();
            let receipt = Receipt { body: body.clone(), ..sample::receipt(1, IntegrationId::from_i64(5)) };
            ring.write([Record::new(Kept::new(&receipt).unwrap())].iter(), 0).unwrap();
            // It is broken, so that what is in it is looked at.
            let place = u64::try_from(HEADER + SALT.len() + 17).unwrap();
            ring.file.write_all_at(&[0xff], place).unwrap();
            let (_, found) = Ring::open(folder.path(), 0, [0; 8]).unwrap();
            let mut found = ids(&found);
            found.dedup();
            assert_eq!(found, expected, "{salt:?}");
        }
    }

    /// Writes until there is no place; returns how many there are in all.
    fn fill(ring: &mut Ring, mark: i64) -> i64 {
        loop {
            match ring.write([record(ring.next(), 60_000)].iter(), mark) {
                Ok(_) => {}
                Err(NotKept::Full) => return ring.next(),
                Err(NotKept::Failed(error)) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn a_part_is_written_over_when_the_database_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ring, _) = Ring::open(folder.path(), 0, SALT).unwrap();
        let all = fill(&mut ring, 0);
        let each = all / i64::try_from(PARTS).unwrap();
        assert_eq!(fill(&mut ring, each - 1), all, "one of the oldest part is not in the database");
        assert_eq!(fill(&mut ring, each), all + each, "the oldest part is");
        assert!(ring.is_nearly_full(all / 4) && !ring.is_nearly_full(all / 2));
        let (_, found) = Ring::open(folder.path(), each, SALT).unwrap();
        assert_eq!(found.len(), usize::try_from(all).unwrap());
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read_and_used() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ring, _) = Ring::open(folder.path(), 0, SALT).unwrap();
        ring.write([record(0, 100)].iter(), 0).unwrap();
        let size = |parts: usize| u64::try_from(HEADER + parts * PART).unwrap();
        ring.file.set_len(size(4)).unwrap();
        let (mut ring, found) = Ring::open(folder.path(), 0, SALT).unwrap();
        assert_eq!(ids(&found), [0]);
        let all = fill(&mut ring, 1);
        assert_eq!(ring.file.metadata().unwrap().len(), size(4));
        let (_, found) = Ring::open(folder.path(), 1, SALT).unwrap();
        assert_eq!(found.len(), usize::try_from(all - 1).unwrap());
        let (ring, found) = Ring::open(folder.path(), all, [0; 8]).unwrap();
        assert!(found.is_empty());
        assert_eq!((ring.file.metadata().unwrap().len(), ring.next(), ring.salt), (size(PARTS), all, SALT));
        for broken in [size(4) - 1, size(3), size(PARTS + 1)] {
            ring.file.set_len(broken).unwrap();
            assert!(matches!(Ring::open(folder.path(), 0, SALT), Err(OpenError::Journal { .. })), "{broken}");
        }
    }
}
