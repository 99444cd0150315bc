//! Receipts that are taken in together are kept together: their texts repeat each other, so that packed as one they take a
//! fraction of the pages. A receipt's own row says in which block its texts are.

use std::{io, sync::Arc};

use bugle_model::Receipt;
use rusqlite::{Connection, OptionalExtension, params, types::Type};

use crate::{
    codec::{Packer, unpack},
    kept::Kept,
    sql::receipts as sql,
};

/// Fewer are kept in rows of their own.
const RECEIPTS_MIN: usize = 4;
/// Receipts in a block: whoever reads one unpacks the others too.
const RECEIPTS_MAX: usize = 32;
/// Bytes in a block, but for its last receipt.
const BYTES_MAX: usize = 48 * 1024;
/// Before each receipt: its id and how long it is.
const HEAD: usize = size_of::<i64>() + size_of::<u32>();

/// Some receipts for one block, or the rest that is too few for one.
pub(crate) fn divide(receipts: &[Arc<Kept>]) -> impl Iterator<Item = (&[Arc<Kept>], bool)> {
    let mut rest = receipts;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let is_in = |receipt: &&Arc<Kept>| {
            let has_room = bytes < BYTES_MAX;
            bytes += receipt.bytes().len();
            has_room
        };
        let count = rest.iter().take(RECEIPTS_MAX).take_while(is_in).count();
        let (some, after) = rest.split_at_checked(count)?;
        rest = after;
        (!some.is_empty()).then_some((some, count >= RECEIPTS_MIN))
    })
}

/// Inserts receipts and their block; returns those that were not there already.
pub(crate) fn insert<'a>(
    connection: &Connection,
    packer: &mut Packer,
    receipts: &'a [Arc<Kept>],
) -> rusqlite::Result<Vec<&'a Kept>> {
    let block: i64 = connection.prepare_cached(sql::NEXT_BLOCK)?.query_row([], |row| row.get(0))?;
    let mut insert = connection.prepare_cached(sql::INSERT_IN_BLOCK)?;
    let (mut new, mut bytes) = (Vec::with_capacity(receipts.len()), Vec::with_capacity(2 * BYTES_MAX));
    for kept in receipts {
        let values = params![
            kept.id,
            kept.integration_id,
            kept.received_at.as_millis(),
            block,
            kept.senders_id.map(|_| true),
            kept.senders_id
        ];
        if insert.execute(values)? > 0 {
            new.push(kept.as_ref());
            bytes.extend_from_slice(&kept.id.to_le_bytes());
            bytes.extend_from_slice(&u32::try_from(kept.bytes().len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(kept.bytes());
        }
    }
    let ids = || new.iter().map(|kept| kept.id);
    if let Some((first, last)) = ids().min().zip(ids().max()) {
        let values = params![block, first, last, packer.pack_bytes(&bytes)?];
        connection.prepare_cached(sql::INSERT_BLOCK)?.execute(values)?;
    }
    Ok(new)
}

/// Deletes a block if no receipt needs it any more.
pub(crate) fn delete_if_unused(connection: &Connection, block: i64) -> rusqlite::Result<()> {
    let is_used = connection.prepare_cached(sql::BLOCK_IS_USED)?.exists([block])?;
    if !is_used {
        connection.prepare_cached(sql::DELETE_BLOCK)?.execute([block])?;
    }
    Ok(())
}

/// Reads receipts out of blocks. Those that are read one after the other are often in the same.
#[derive(Default)]
pub(crate) struct Blocks {
    block: i64,
    bytes: Vec<u8>,
}

impl Blocks {
    /// A receipt as it came.
    pub(crate) fn receipt(
        &mut self,
        connection: &Connection,
        block: i64,
        id: i64,
    ) -> rusqlite::Result<Receipt> {
        if self.block != block || self.bytes.is_empty() {
            let mut statement = connection.prepare_cached(sql::BLOCK)?;
            let packed = statement.query_row([block], |row| Ok(unpack(row.get_ref(0)?))).optional()?;
            self.bytes = packed.ok_or_else(|| broken("a receipt's block is not there"))?.map_err(broken)?;
            self.block = block;
        }
        let mut rest = self.bytes.as_slice();
        while let Some((found, length, after)) = head(rest) {
            let (bytes, after) =
                after.split_at_checked(length).ok_or_else(|| broken("a block ends too early"))?;
            if found == id {
                return Kept::read(bytes).map_err(broken);
            }
            rest = after;
        }
        Err(broken("a receipt is not in its block"))
    }
}

fn head(bytes: &[u8]) -> Option<(i64, usize, &[u8])> {
    let (head, after) = bytes.split_first_chunk::<HEAD>()?;
    let (id, length) = head.split_first_chunk()?;
    let length = u32::from_le_bytes(*length.first_chunk()?);
    Some((i64::from_le_bytes(*id), usize::try_from(length).ok()?, after))
}

pub(crate) fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, io::Error::other(error).into())
}
