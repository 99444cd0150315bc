//! Documents that come together are kept together: their texts repeat each other, so that packed as one they take a fraction
//! of the pages, and of the time to pack them. What is in a block are *pieces*, each with a number by which it is found. The bytes of
//! one that was deleted stay until the last goes, and the block with it.

use std::io;

use rusqlite::{Connection, OptionalExtension, types::Type};

use crate::codec::unpack;

/// Pieces in a block: whoever reads one unpacks the others too.
const PIECES_MAX: usize = 32;
/// Bytes in a block, but for its last piece.
pub(crate) const BYTES_MAX: usize = 48 * 1024;
/// Before each piece: its number and how long it is.
const HEAD: usize = size_of::<i64>() + size_of::<u32>();

/// Whether a block of so many pieces and bytes takes no more.
pub(crate) fn is_full(pieces: usize, bytes: usize) -> bool {
    pieces >= PIECES_MAX || bytes >= BYTES_MAX
}

/// Adds a piece to what is to be packed.
pub(crate) fn push(block: &mut Vec<u8>, number: i64, piece: &[u8]) {
    block.extend_from_slice(&number.to_le_bytes());
    block.extend_from_slice(&u32::try_from(piece.len()).unwrap_or(u32::MAX).to_le_bytes());
    block.extend_from_slice(piece);
}

/// Finds a piece.
fn find(block: &[u8], number: i64) -> rusqlite::Result<&[u8]> {
    let mut rest = block;
    while let Some((found, length, after)) = head(rest) {
        let (piece, after) =
            after.split_at_checked(length).ok_or_else(|| broken("a block ends too early"))?;
        if found == number {
            return Ok(piece);
        }
        rest = after;
    }
    Err(broken("a block lacks one of its pieces"))
}

fn head(bytes: &[u8]) -> Option<(i64, usize, &[u8])> {
    let (head, after) = bytes.split_first_chunk::<HEAD>()?;
    let (number, length) = head.split_first_chunk()?;
    let length = u32::from_le_bytes(*length.first_chunk()?);
    Some((i64::from_le_bytes(*number), usize::try_from(length).ok()?, after))
}

/// The last block that was read. Pieces that are read one after the other are often in the same.
#[derive(Default)]
pub(crate) struct Unpacked {
    block: i64,
    bytes: Vec<u8>,
}

impl Unpacked {
    /// A piece of a block; `statement` reads the packed one.
    pub(crate) fn piece(
        &mut self,
        connection: &Connection,
        statement: &str,
        block: i64,
        number: i64,
    ) -> rusqlite::Result<&[u8]> {
        if self.block != block || self.bytes.is_empty() {
            let mut statement = connection.prepare_cached(statement)?;
            let packed = statement.query_row([block], |row| Ok(unpack(row.get_ref(0)?))).optional()?;
            self.bytes = packed.ok_or_else(|| broken("a block is not there"))?.map_err(broken)?;
            self.block = block;
        }
        find(&self.bytes, number)
    }
}

pub(crate) fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, io::Error::other(error).into())
}
