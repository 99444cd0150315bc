//! Receipts that are taken in together are kept in blocks. A receipt's own row says in which its texts are.

use std::sync::Arc;

use bugle_model::Receipt;
use rusqlite::{Connection, params};

use crate::{
    blocks::{BYTES_MAX, Unpacked, broken, is_full, push},
    codec::Packer,
    kept::Kept,
    sql::receipts as sql,
};

/// Fewer are kept in rows of their own.
const RECEIPTS_MIN: usize = 4;

/// Some receipts for one block, or the rest that is too few for one.
pub(crate) fn divide(receipts: &[Arc<Kept>]) -> impl Iterator<Item = (&[Arc<Kept>], bool)> {
    let mut rest = receipts;
    std::iter::from_fn(move || {
        let (mut count, mut bytes) = (0, 0);
        while let Some(kept) = rest.get(count)
            && !is_full(count, bytes)
        {
            count += 1;
            bytes += kept.bytes().len();
        }
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
            push(&mut bytes, kept.id, kept.bytes());
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

/// Reads receipts out of blocks.
#[derive(Default)]
pub(crate) struct Blocks(Unpacked);

impl Blocks {
    /// A receipt as it came.
    pub(crate) fn receipt(
        &mut self,
        connection: &Connection,
        block: i64,
        id: i64,
    ) -> rusqlite::Result<Receipt> {
        Kept::read(self.0.piece(connection, sql::BLOCK, block, id)?).map_err(broken)
    }
}
