//! Attempts: what was sent and what came back. Those that are recorded together are kept in blocks, as what was sent to one
//! receiver is much the same each time.

use bugle_model::{Attempt, DeliveryId};
use rusqlite::{Connection, OptionalExtension, params, types::Value};

use crate::{
    blocks::{BYTES_MAX, Unpacked, broken, divide, push},
    codec::{Packer, decode, text_of},
    sql::deliveries as sql,
};

/// Attempts of one delivery that are shown.
const SHOWN_MAX: u32 = 1_000;

/// Attempts that are written, so that the writer does not have to.
pub(crate) struct Written {
    places: Vec<Place>,
    blocks: Vec<Block>,
}

/// Where an attempt's document is.
pub(crate) enum Place {
    /// In the attempt's own row.
    Own(Value),
    /// In a block, and which of its pieces it is.
    In { block: usize, number: i64 },
}

struct Block {
    attempts: i64,
    packed: Vec<u8>,
}

impl Written {
    pub(crate) fn new<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> rusqlite::Result<Self> {
        let texts = attempts.map(text_of).collect::<Result<Vec<_>, _>>()?;
        let (mut places, mut blocks) = (Vec::with_capacity(texts.len()), Vec::new());
        let (mut packer, mut bytes) = (Packer::default(), Vec::new());
        for (some, is_block) in divide(&texts, Vec::len) {
            if !is_block {
                for text in some {
                    places.push(Place::Own(packer.pack_text(text)?));
                }
                continue;
            }
            bytes.clear();
            bytes.reserve(2 * BYTES_MAX);
            for (number, text) in (0..).zip(some) {
                push(&mut bytes, number, text);
                places.push(Place::In { block: blocks.len(), number });
            }
            let attempts = i64::try_from(some.len()).map_err(broken)?;
            blocks.push(Block { attempts, packed: packer.pack_bytes(&bytes)? });
        }
        Ok(Self { places, blocks })
    }
}

/// Records written attempts, and each block that one of them is in.
pub(crate) struct Recorder<'a> {
    connection: &'a Connection,
    places: std::slice::Iter<'a, Place>,
    blocks: Vec<RecordedBlock<'a>>,
    next_id: i64,
}

struct RecordedBlock<'a> {
    id: i64,
    block: &'a Block,
    is_there: bool,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(connection: &'a Connection, written: &'a Written) -> rusqlite::Result<Self> {
        let mut next_id: i64 =
            connection.prepare_cached(sql::NEXT_ATTEMPT)?.query_row([], |row| row.get(0))?;
        let mut blocks = Vec::with_capacity(written.blocks.len());
        for block in &written.blocks {
            blocks.push(RecordedBlock { id: next_id, block, is_there: false });
            next_id += block.attempts;
        }
        Ok(Self { connection, places: written.places.iter(), blocks, next_id })
    }

    /// The next attempt of those that were written.
    pub(crate) fn next(&mut self) -> Option<&'a Place> {
        self.places.next()
    }

    /// Records one.
    pub(crate) fn record(&mut self, place: &Place, delivery: i64, number: u32) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached(sql::ATTEMPT_INSERT)?;
        match place {
            Place::Own(document) => {
                insert.execute(params![self.next_id, delivery, number, document])?;
                self.next_id += 1;
            }
            Place::In { block, number: piece } => {
                let missing = || broken("an attempt's block was not written");
                let RecordedBlock { id, block, is_there } =
                    self.blocks.get_mut(*block).ok_or_else(missing)?;
                if !std::mem::replace(is_there, true) {
                    let values = params![*id, *id + block.attempts - 1, block.packed];
                    self.connection.prepare_cached(sql::ATTEMPT_BLOCK_INSERT)?.execute(values)?;
                }
                insert.execute(params![*id + piece, delivery, number, ""])?;
            }
        }
        Ok(())
    }
}

/// The first attempts of a delivery.
pub(crate) fn of(connection: &Connection, delivery: DeliveryId) -> rusqlite::Result<Vec<Attempt>> {
    let mut unpacked = Unpacked::default();
    let mut block_of = connection.prepare_cached(sql::ATTEMPT_BLOCK_OF)?;
    let mut statement = connection.prepare_cached(sql::ATTEMPTS)?;
    let mut rows = statement.query(params![delivery.as_i64(), SHOWN_MAX])?;
    let mut attempts = Vec::new();
    while let Some(row) = rows.next()? {
        let is_in_block = matches!(row.get_ref(2)?.as_str(), Ok(""));
        let attempt = if is_in_block {
            let id: i64 = row.get(0)?;
            let block: i64 = block_of.query_row([id], |row| row.get(0))?;
            let text = unpacked.piece(connection, sql::ATTEMPT_BLOCK, block, id - block)?;
            serde_json::from_slice(text).map_err(broken)?
        } else {
            decode(row, 2)?
        };
        attempts.push(Attempt { number: row.get(1)?, ..attempt });
    }
    Ok(attempts)
}

/// Deletes some attempts of a delivery, and blocks that hold no others; returns how many attempts it were.
pub(crate) fn delete_some(connection: &Connection, delivery: i64, limit: u32) -> rusqlite::Result<usize> {
    let ids: Vec<i64> = connection
        .prepare_cached(sql::SOME_ATTEMPTS)?
        .query_map(params![delivery, limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &ids {
        connection.prepare_cached(sql::ATTEMPT_DELETE)?.execute([id])?;
        let block: Option<(i64, i64)> = connection
            .prepare_cached(sql::ATTEMPT_BLOCK_OF)?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        // What is recorded alone stands behind the block before it.
        if let Some((block, last)) = block
            && *id <= last
            && !connection.prepare_cached(sql::ATTEMPT_BLOCK_IS_USED)?.exists([block, last])?
        {
            connection.prepare_cached(sql::ATTEMPT_BLOCK_DELETE)?.execute([block])?;
        }
    }
    Ok(ids.len())
}
