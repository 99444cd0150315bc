//! Receipts that are read: those that wait for the pipeline, one, a page.

use std::sync::Arc;

use bugle_model::{Page, Receipt, ReceiptId, ReceiptState, id::Id, limits::INBOX_COUNTED_MAX};
use bugle_store::{Inbox, PageRequest, ReceiptFilter, SignalOutcome, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

use crate::{
    blocks::broken,
    codec::{Code, decode, decode_or_none, moment, moment_or_none, parse, state},
    fresh::Fresh,
    page::{EXAMINED_MAX, Pager, below, rows},
    readers::Readers,
    receipt_blocks::Blocks,
    sql::receipts as sql,
};

/// Bodies read at once for the pipeline; more wait for the next read.
const PENDING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Which receipts are pending, oldest first.
pub(crate) async fn pending_ids(
    readers: &Readers,
    fresh: &Fresh,
    limit: u32,
) -> Result<Vec<ReceiptId>, StoreError> {
    // Before the inbox: what is taken in meanwhile is found in both, and in none the other way round.
    let fresh = fresh.ids(limit);
    let mut ids = readers
        .read("look into the inbox", move |connection| {
            let mut statement = connection.prepare_cached(sql::PENDING_IDS)?;
            statement
                .query_map([limit], |row| row.get(0).map(Id::from_i64))?
                .collect::<Result<Vec<ReceiptId>, _>>()
        })
        .await?;
    ids.extend(fresh);
    ids.sort_unstable();
    ids.dedup();
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(ids)
}

/// Those of these receipts that are pending.
pub(crate) async fn pending_of(
    readers: &Readers,
    fresh: &Arc<Fresh>,
    ids: Vec<ReceiptId>,
) -> Result<Vec<Receipt>, StoreError> {
    let fresh = Arc::clone(fresh);
    readers
        .read("read the inbox", move |connection| {
            // First, as what is taken in after that is found in the database.
            let fresh: Vec<_> = ids.iter().map(|id| fresh.get(id.as_i64())).collect();
            let mut statement = connection.prepare_cached(sql::PENDING)?;
            let (mut receipts, mut bytes, mut blocks) = (Vec::new(), 0_usize, Blocks::default());
            for (id, fresh) in ids.into_iter().zip(fresh) {
                let receipt = match fresh {
                    Some(kept) => Some(kept.receipt().map_err(broken)?),
                    None => statement
                        .query_row([id.as_i64()], |row| read_whole(connection, row, &mut blocks))
                        .optional()?,
                };
                let Some(receipt) = receipt else { continue };
                bytes += receipt.body.len();
                receipts.push(receipt);
                if bytes >= PENDING_BYTES_MAX {
                    break;
                }
            }
            Ok(receipts)
        })
        .await
}

/// How many receipts are pending, and since when.
pub(crate) async fn inbox(readers: &Readers, fresh: &Fresh) -> Result<Inbox, StoreError> {
    let (count, since) = fresh.inbox();
    let stored = readers
        .read("count the inbox", |connection| {
            connection.prepare_cached(sql::INBOX)?.query_row([INBOX_COUNTED_MAX], |row| {
                Ok(Inbox {
                    pending: u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default(),
                    oldest: moment_or_none(row, 1)?,
                })
            })
        })
        .await?;
    Ok(Inbox {
        pending: (stored.pending + count).min(u64::from(INBOX_COUNTED_MAX)),
        oldest: stored.oldest.into_iter().chain(since).min(),
    })
}

/// One receipt and what its signals did.
pub(crate) async fn one(
    readers: &Readers,
    fresh: &Fresh,
    id: ReceiptId,
) -> Result<Option<(Receipt, Vec<SignalOutcome>)>, StoreError> {
    if let Some(kept) = fresh.get(id.as_i64()) {
        let receipt = kept.receipt().map_err(|error| StoreError::new("read the receipt", error))?;
        return Ok(Some((receipt, Vec::new())));
    }
    readers
        .read("read the receipt", move |connection| {
            connection
                .prepare_cached(sql::ONE)?
                .query_row([id.as_i64()], |row| {
                    let receipt = read_whole(connection, row, &mut Blocks::default())?;
                    Ok((receipt, decode_or_none(row, 14)?.unwrap_or_default()))
                })
                .optional()
        })
        .await
}

/// A page of receipts.
pub(crate) async fn page(
    readers: &Readers,
    filter: ReceiptFilter,
    page: PageRequest,
) -> Result<Page<Receipt>, StoreError> {
    readers
        .read("list receipts", move |connection| {
            let (below, limit) = (below(page), rows(page));
            let integration = filter.integration_id.map(Id::as_i64);
            let collect = |statement: &mut Statement<'_>, params: &[&dyn rusqlite::ToSql]| {
                let mut blocks = Blocks::default();
                let mut pager = Pager::new(page);
                let mut rows = statement.query(params)?;
                while let Some(row) = rows.next()? {
                    let receipt = read(connection, row, &mut blocks)?;
                    pager.push(receipt.id.as_i64(), receipt);
                }
                Ok(pager.finish())
            };
            // Nearly all receipts are processed, so these need no index of their own: the others are passed over.
            let collect_processed = |statement: &mut Statement<'_>, params: &[&dyn rusqlite::ToSql]| {
                let mut blocks = Blocks::default();
                let mut pager = Pager::new(page);
                let mut rows = statement.query(params)?;
                let (mut examined, mut last) = (0, 0);
                while let Some(row) = rows.next()? {
                    examined += 1;
                    last = row.get(0)?;
                    if state::<ReceiptState>(row, 11)? == ReceiptState::Processed {
                        pager.push(last, read(connection, row, &mut blocks)?);
                        if pager.is_full() {
                            break;
                        }
                    }
                }
                Ok(if examined == EXAMINED_MAX { pager.finish_early(last) } else { pager.finish() })
            };
            let prepare = |statement| connection.prepare_cached(statement);
            match (integration, filter.state) {
                (None, None) => collect(&mut *prepare(sql::PAGE)?, params![below, limit]),
                (Some(of), None) => {
                    collect(&mut *prepare(sql::PAGE_OF_INTEGRATION)?, params![below, limit, of])
                }
                (None, Some(ReceiptState::Pending)) => {
                    collect(&mut *prepare(sql::PAGE_PENDING)?, params![below, limit])
                }
                (Some(of), Some(ReceiptState::Pending)) => {
                    collect(&mut *prepare(sql::PAGE_PENDING_OF_INTEGRATION)?, params![below, limit, of])
                }
                (None, Some(ReceiptState::Processed)) => {
                    collect_processed(&mut *prepare(sql::PAGE)?, params![below, EXAMINED_MAX])
                }
                (Some(of), Some(ReceiptState::Processed)) => collect_processed(
                    &mut *prepare(sql::PAGE_OF_INTEGRATION)?,
                    params![below, EXAMINED_MAX, of],
                ),
                (None, Some(state)) => {
                    collect(&mut *prepare(sql::PAGE_IN_STATE)?, params![below, limit, state.code()])
                }
                (Some(of), Some(state)) => collect(
                    &mut *prepare(sql::PAGE_OF_INTEGRATION_IN_STATE)?,
                    params![below, limit, of, state.code()],
                ),
            }
        })
        .await
}

/// A receipt without its body.
fn read(connection: &Connection, row: &Row<'_>, blocks: &mut Blocks) -> rusqlite::Result<Receipt> {
    Ok(Receipt { body: Vec::new(), ..read_block_or_row(connection, row, blocks)? })
}

/// A receipt with its body.
fn read_whole(connection: &Connection, row: &Row<'_>, blocks: &mut Blocks) -> rusqlite::Result<Receipt> {
    let receipt = read_block_or_row(connection, row, blocks)?;
    let body = if receipt.body.is_empty() { row.get(13)? } else { receipt.body };
    Ok(Receipt { body, ..receipt })
}

/// A receipt: its body too if it is in a block.
fn read_block_or_row(
    connection: &Connection,
    row: &Row<'_>,
    blocks: &mut Blocks,
) -> rusqlite::Result<Receipt> {
    let receipt = match row.get(10)? {
        None => read_row(row)?,
        Some(block) => {
            let receipt = blocks.receipt(connection, block, row.get(0)?)?;
            match row.get_ref(5)?.as_str()? {
                "" => receipt,
                _ => Receipt { verification: decode(row, 5)?, ..receipt },
            }
        }
    };
    Ok(Receipt { state: state(row, 11)?, problem: row.get(12)?, ..receipt })
}

/// What a receipt's own row tells of it.
fn read_row(row: &Row<'_>) -> rusqlite::Result<Receipt> {
    let explicit: Option<bool> = row.get(6)?;
    let hash: Option<[u8; 16]> = row.get(7)?;
    Ok(Receipt {
        id: Id::from_i64(row.get(0)?),
        integration_id: Id::from_i64(row.get(1)?),
        received_at: moment(row, 2)?,
        remote_ip: parse(row, 3)?,
        correlation_id: row.get(4)?,
        verification: decode(row, 5)?,
        senders_id: hash.filter(|_| explicit == Some(true)),
        alert_key: row.get(8)?,
        head: decode(row, 9)?,
        body: Vec::new(),
        state: ReceiptState::Pending,
        problem: None,
    })
}
