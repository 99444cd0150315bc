//! One receipt in the journal.
//!
//! A record begins with the file's salt (8 bytes), its number (8), how long the receipt is (4), and a checksum of number,
//! length and receipt (4), numbers in little-endian order. Then comes the receipt, padded to a multiple of 8 bytes. Nobody
//! outside knows the salt, so that no body can look like a record.

use crc32fast::Hasher;

use crate::kept::Kept;

/// Where records begin.
pub(super) const ALIGNMENT: usize = 8;
const HEAD: usize = 24;

/// A random number that is in each record of a file.
pub(super) type Salt = [u8; 8];

/// A record, but for what only the file knows.
pub(super) struct Record {
    pub(super) kept: Kept,
    sum: Hasher,
}

impl Record {
    pub(super) fn new(kept: Kept) -> Self {
        let mut sum = Hasher::new();
        sum.update(kept.bytes());
        Self { kept, sum }
    }

    /// Bytes that it takes in the file.
    pub(super) fn len(&self) -> usize {
        HEAD + self.kept.bytes().len().next_multiple_of(ALIGNMENT)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, salt: Salt, number: i64) {
        let end = out.len() + self.len();
        let number = number.to_le_bytes();
        let length = u32::try_from(self.kept.bytes().len()).unwrap_or(u32::MAX).to_le_bytes();
        out.extend_from_slice(&salt);
        out.extend_from_slice(&number);
        out.extend_from_slice(&length);
        out.extend_from_slice(&checksum(self.sum.clone(), number, length));
        out.extend_from_slice(self.kept.bytes());
        out.resize(end, 0);
    }
}

/// What stands at the beginning of some bytes of the file.
pub(super) enum Found<'a> {
    /// Not a record.
    Nothing,
    /// The beginning of one that is not as it was written.
    Broken(i64),
    /// One, and how many bytes it takes.
    Whole { number: i64, receipt: &'a [u8], length: usize },
}

/// Looks for a record.
pub(super) fn find(bytes: &[u8], salt: Salt) -> Found<'_> {
    let Some(after) = bytes.strip_prefix(&salt) else { return Found::Nothing };
    let head = after.split_first_chunk::<8>().and_then(|(number, after)| {
        let (length, after) = after.split_first_chunk::<4>()?;
        let (sum, after) = after.split_first_chunk::<4>()?;
        Some((*number, *length, *sum, after))
    });
    let Some((number, length, sum, after)) = head else { return Found::Nothing };
    let count = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    let receipt = after.get(..count).filter(|receipt| {
        let mut hasher = Hasher::new();
        hasher.update(receipt);
        checksum(hasher, number, length) == sum
    });
    let number = i64::from_le_bytes(number);
    receipt.map_or(Found::Broken(number), |receipt| Found::Whole {
        number,
        receipt,
        length: HEAD + count.next_multiple_of(ALIGNMENT),
    })
}

fn checksum(mut of_receipt: Hasher, number: [u8; 8], length: [u8; 4]) -> [u8; 4] {
    of_receipt.update(&number);
    of_receipt.update(&length);
    of_receipt.finalize().to_le_bytes()
}
