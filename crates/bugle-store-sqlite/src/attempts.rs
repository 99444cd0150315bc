//! Attempts: what was sent and what came back. They are kept in blocks, as what was sent to one receiver is much the same each
//! time; earlier versions kept each in its own row. In a block an attempt is a [line] of JSON and the two bodies.

use std::{borrow::Cow, mem, slice};

use bugle_model::{
    Attempt, DeliveryId, Timestamp, Verdict,
    delivery::{AttemptRequest, AttemptResponse, Timing},
};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize, de};

use crate::{
    blocks::{Unpacked, broken, is_full, push},
    codec::{Packer, decode, unwritten},
    line,
    sql::deliveries as sql,
};

/// Attempts of one delivery that are shown.
const SHOWN_MAX: u32 = 1_000;

/// An attempt without its bodies.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    started_at: Timestamp,
    duration_us: u64,
    verdict: Cow<'a, Verdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
    method: Cow<'a, str>,
    url: Cow<'a, str>,
    headers: Cow<'a, [(String, String)]>,
    /// Bytes of what was sent. What came back is behind them.
    body_bytes: usize,
    response: Option<ResponseLine<'a>>,
    timing: Timing,
}

#[derive(Serialize, Deserialize)]
struct ResponseLine<'a> {
    status: u16,
    headers: Cow<'a, [(String, String)]>,
    truncated: bool,
}

fn write(attempt: &Attempt) -> serde_json::Result<Vec<u8>> {
    let (request, response) = (&attempt.request, attempt.response.as_ref());
    let line = Line {
        started_at: attempt.started_at,
        duration_us: attempt.duration_us,
        verdict: Cow::Borrowed(&attempt.verdict),
        detail: attempt.detail.as_deref().map(Cow::Borrowed),
        method: Cow::Borrowed(&request.method),
        url: Cow::Borrowed(&request.url),
        headers: Cow::Borrowed(&request.headers),
        body_bytes: request.body.len(),
        response: response.map(|response| ResponseLine {
            status: response.status,
            headers: Cow::Borrowed(&response.headers),
            truncated: response.truncated,
        }),
        timing: attempt.timing,
    };
    let answer = response.map(|response| response.body.as_bytes()).unwrap_or_default();
    let mut bytes = line::write(&line, request.body.len() + answer.len())?;
    bytes.extend_from_slice(request.body.as_bytes());
    bytes.extend_from_slice(answer);
    Ok(bytes)
}

fn read(bytes: &[u8], number: u32) -> serde_json::Result<Attempt> {
    let (line, bodies) = line::split(bytes)?;
    let line: Line<'_> = serde_json::from_str(line)?;
    let bodies = str::from_utf8(bodies).map_err(de::Error::custom)?;
    let (body, answer) =
        bodies.split_at_checked(line.body_bytes).ok_or_else(|| de::Error::custom("a body is too short"))?;
    Ok(Attempt {
        number,
        started_at: line.started_at,
        duration_us: line.duration_us,
        verdict: line.verdict.into_owned(),
        detail: line.detail.map(Cow::into_owned),
        request: AttemptRequest {
            method: line.method.into_owned(),
            url: line.url.into_owned(),
            headers: line.headers.into_owned(),
            body: body.to_owned(),
        },
        response: line.response.map(|response| AttemptResponse {
            status: response.status,
            headers: response.headers.into_owned(),
            body: answer.to_owned(),
            truncated: response.truncated,
        }),
        timing: line.timing,
    })
}

/// Attempts that are written, so that the writer does not have to.
pub(crate) struct Written {
    places: Vec<Place>,
    blocks: Vec<Block>,
}

/// Which block an attempt is in, and which of its pieces it is.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    block: usize,
    piece: i64,
}

struct Block {
    attempts: i64,
    packed: Vec<u8>,
}

impl Written {
    pub(crate) fn new<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> rusqlite::Result<Self> {
        let mut attempts: Vec<_> = attempts.enumerate().collect();
        // What is sent to several destinations is the same, and takes next to nothing when it stands together.
        attempts.sort_by(|(_, one), (_, other)| one.request.body.cmp(&other.request.body));
        let (mut places, mut blocks) = (Vec::with_capacity(attempts.len()), Vec::new());
        let (mut packer, mut bytes, mut count) = (Packer::default(), Vec::new(), 0);
        let mut attempts = attempts.into_iter().peekable();
        while let Some((position, attempt)) = attempts.next() {
            places.push((position, Place { block: blocks.len(), piece: count }));
            push(&mut bytes, count, &write(attempt).map_err(unwritten)?);
            count += 1;
            if attempts.peek().is_none() || is_full(usize::try_from(count).unwrap_or(usize::MAX), bytes.len())
            {
                blocks.push(Block { attempts: mem::take(&mut count), packed: packer.pack_bytes(&bytes)? });
                bytes.clear();
            }
        }
        places.sort_unstable_by_key(|(position, _)| *position);
        let places = places.into_iter().map(|(_, place)| place).collect();
        Ok(Self { places, blocks })
    }
}

/// Records written attempts, and each block that one of them is in.
pub(crate) struct Recorder<'a> {
    insert: CachedStatement<'a>,
    insert_block: CachedStatement<'a>,
    places: slice::Iter<'a, Place>,
    blocks: Vec<RecordedBlock<'a>>,
}

struct RecordedBlock<'a> {
    block: &'a Block,
    /// The id of the first attempt in it, and its own.
    id: i64,
    is_there: bool,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(connection: &'a Connection, written: &'a Written) -> rusqlite::Result<Self> {
        let mut id: i64 = connection.prepare_cached(sql::NEXT_ATTEMPT)?.query_row([], |row| row.get(0))?;
        let mut blocks = Vec::with_capacity(written.blocks.len());
        for block in &written.blocks {
            blocks.push(RecordedBlock { block, id, is_there: false });
            id += block.attempts;
        }
        Ok(Self {
            insert: connection.prepare_cached(sql::ATTEMPT_INSERT)?,
            insert_block: connection.prepare_cached(sql::ATTEMPT_BLOCK_INSERT)?,
            places: written.places.iter(),
            blocks,
        })
    }

    /// The next attempt of those that were written.
    pub(crate) fn next(&mut self) -> Option<Place> {
        self.places.next().copied()
    }

    /// Records one.
    pub(crate) fn record(&mut self, place: Place, delivery: i64, number: u32) -> rusqlite::Result<()> {
        let block = self.blocks.get_mut(place.block);
        let RecordedBlock { block, id, is_there } =
            block.ok_or_else(|| broken("an attempt's block was not written"))?;
        if !mem::replace(is_there, true) {
            let values = params![*id, *id + block.attempts - 1, block.packed];
            self.insert_block.execute(values)?;
        }
        self.insert.execute(params![*id + place.piece, delivery, number]).map(drop)
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
        let (id, number): (i64, u32) = (row.get(0)?, row.get(1)?);
        let has_document = !matches!(row.get_ref(2)?.as_str(), Ok(""));
        attempts.push(if has_document {
            Attempt { number, ..decode(row, 2)? }
        } else {
            let block: Option<i64> = block_of.query_row([id], |row| row.get(0)).optional()?;
            let block = block.ok_or_else(|| broken("an attempt's block is not there"))?;
            let piece = unpacked.piece(connection, sql::ATTEMPT_BLOCK, block, id - block)?;
            read(piece, number).map_err(broken)?
        });
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
        // One of an earlier version is in none.
        if let Some((block, last)) = block
            && *id <= last
            && !connection.prepare_cached(sql::ATTEMPT_BLOCK_IS_USED)?.exists([block, last])?
        {
            connection.prepare_cached(sql::ATTEMPT_BLOCK_DELETE)?.execute([block])?;
        }
    }
    Ok(ids.len())
}
