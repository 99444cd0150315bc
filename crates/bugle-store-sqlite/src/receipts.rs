//! Receipts: appended once, then only their state moves.

use std::{collections::HashMap, sync::Arc};

use bugle_model::{
    Page, Receipt, ReceiptId, ReceiptState, Verification,
    id::Id,
    limits::{INBOX_COUNTED_MAX, QUARANTINE_PER_INTEGRATION_MAX},
    receipt::DedupKey,
};
use bugle_store::{Appended, Inbox, PageRequest, ReceiptFilter, ReceiptOutcome, SignalOutcome, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

use crate::{
    blocks::{Blocks, broken, delete_if_unused},
    codec::{Code, decode, decode_or_none, encode, moment, moment_or_none, parse, state},
    fresh::{Filed, Fresh, insert as take_in},
    journal::Journal,
    kept::Kept,
    page::{EXAMINED_MAX, Pager, below, rows},
    readers::Readers,
    recent::Body,
    sql::receipts as sql,
    writer::{Abort, Shield, Writer},
};

/// Bodies read at once for the pipeline; more wait for the next read.
const PENDING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Quarantined receipts pushed out by one more, should there ever be more than one too many.
const PUSHED_OUT_MAX: i64 = 16;

/// A receipt with its documents written, so that the writer does not have to.
struct Written {
    receipt: Receipt,
    verification: String,
    head: String,
}

impl Written {
    fn new(receipt: Receipt) -> rusqlite::Result<Self> {
        Ok(Self { verification: encode(&receipt.verification)?, head: encode(&receipt.head)?, receipt })
    }
}

/// Keeps a receipt.
pub(crate) async fn append(
    journal: &Journal,
    writer: &Writer,
    receipt: Receipt,
) -> Result<Appended, StoreError> {
    const DOING: &str = "keep the receipt";
    if let Some(appended) = journal.append(DOING, &receipt).await? {
        return Ok(appended);
    }
    let written = Written::new(receipt).map_err(|error| StoreError::new(DOING, error))?;
    let body = Body::of(&written.receipt);
    let (recent, remembered) = (Arc::clone(journal.recent()), Arc::clone(journal.recent()));
    // A rejected one takes several writes; an accepted one fails with its first or with the disk.
    let shield =
        if written.receipt.state == ReceiptState::Rejected { Shield::Savepoint } else { Shield::None };
    let work = move |connection: &Connection| {
        Ok(insert(connection, &written, body.as_ref().and_then(|body| recent.before(body)))?)
    };
    // Not before the commit: one that was undone is not there, so no other is its duplicate.
    let on_commit = move |_: &Appended| body.into_iter().for_each(|body| remembered.remember(body));
    Ok(writer.write_then(DOING, shield, work, on_commit).await?)
}

fn insert(
    connection: &Connection,
    row: &Written,
    same_body: Option<ReceiptId>,
) -> rusqlite::Result<Appended> {
    let receipt = &row.receipt;
    let explicit = receipt.dedup_key.filter(|key| key.explicit && receipt.state != ReceiptState::Rejected);
    let same_id = explicit.map_or(Ok(None), |key| earlier(connection, receipt, key))?;
    insert_row(connection, row)?;
    let state = if same_id.or(same_body).is_some() && explicit.is_some() {
        ReceiptState::Duplicate
    } else {
        receipt.state
    };
    let outcome =
        ReceiptOutcome { id: receipt.id, state, problem: receipt.problem.clone(), signals: Vec::new() };
    put(connection, receipt.integration_id.as_i64(), &outcome, None)?;
    Ok(Appended { duplicate_of: same_id.or(same_body) })
}

/// Inserts what a receipt is and not where it stands; false when it is there already.
pub(crate) fn insert_alone(connection: &Connection, kept: &Kept) -> rusqlite::Result<bool> {
    let row = Written::new(kept.receipt().map_err(broken)?)?;
    insert_row(connection, &row)
}

fn insert_row(connection: &Connection, row: &Written) -> rusqlite::Result<bool> {
    let receipt = &row.receipt;
    let key = receipt.dedup_key.filter(|_| receipt.state != ReceiptState::Rejected);
    let inserted = connection.prepare_cached(sql::INSERT)?.execute(params![
        receipt.id.as_i64(),
        receipt.integration_id.as_i64(),
        receipt.received_at.as_millis(),
        receipt.remote_ip.to_string(),
        receipt.correlation_id,
        row.verification,
        key.map(|key| key.explicit),
        key.as_ref().map(|key| key.hash.as_slice()),
        receipt.alert_key,
        row.head,
        receipt.body,
    ])?;
    Ok(inserted > 0)
}

/// Puts a receipt into the inbox.
pub(crate) fn insert_inbox(connection: &Connection, id: i64, integration_id: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(sql::INSERT_INBOX)?.execute([id, integration_id]).map(drop)
}

/// The receipt that the sender gave the same id.
fn earlier(connection: &Connection, receipt: &Receipt, key: DedupKey) -> rusqlite::Result<Option<ReceiptId>> {
    connection
        .prepare_cached(sql::SAME_SENDER_ID)?
        .query_row(params![receipt.integration_id.as_i64(), key.hash.as_slice()], |row| {
            row.get(0).map(Id::from_i64)
        })
        .optional()
}

/// Puts a receipt where its state belongs: into the inbox, or among those that are dealt with.
fn place(
    connection: &Connection,
    integration_id: i64,
    outcome: &ReceiptOutcome,
    signals: Option<&str>,
) -> rusqlite::Result<()> {
    let id = outcome.id.as_i64();
    if outcome.state == ReceiptState::Pending {
        insert_inbox(connection, id, integration_id)?;
    } else {
        connection.prepare_cached(sql::PUT_OUTCOME)?.execute(params![
            id,
            integration_id,
            outcome.state.code(),
            outcome.problem,
            signals
        ])?;
    }
    Ok(())
}

/// Deletes the receipts of an integration that are beyond the bound of a quarantined state.
fn push_out(connection: &Connection, integration_id: i64, state: ReceiptState) -> rusqlite::Result<()> {
    if !matches!(state, ReceiptState::Rejected | ReceiptState::Undecodable) {
        return Ok(());
    }
    let newest_too_many: Option<i64> = connection
        .prepare_cached(sql::QUARANTINE_OVERFLOW)?
        .query_row(params![integration_id, state.code(), QUARANTINE_PER_INTEGRATION_MAX], |row| row.get(0))
        .optional()?;
    let Some(newest_too_many) = newest_too_many else { return Ok(()) };
    let oldest: Vec<i64> = connection
        .prepare_cached(sql::QUARANTINE_OLDEST)?
        .query_map(params![integration_id, state.code(), newest_too_many, PUSHED_OUT_MAX], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    oldest.into_iter().try_for_each(|id| delete(connection, id))
}

/// Deletes a receipt that is dealt with.
pub(crate) fn delete(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(sql::DELETE_OUTCOME)?.execute([id])?;
    let block: Option<Option<i64>> =
        connection.prepare_cached(sql::DELETE)?.query_row([id], |row| row.get(0)).optional()?;
    block.flatten().map_or(Ok(()), |block| delete_if_unused(connection, block))
}

/// Moves receipts to where a step left them, out of the journal if they are there only.
pub(crate) fn record(
    connection: &Connection,
    fresh: &Fresh,
    outcomes: &[(ReceiptOutcome, String)],
) -> rusqlite::Result<Filed> {
    let kept: Vec<_> = outcomes.iter().filter_map(|(outcome, _)| fresh.get(outcome.id.as_i64())).collect();
    let new = take_in(connection, &kept)?;
    let integrations: HashMap<_, _> = new.iter().map(|kept| (kept.id, kept.integration_id)).collect();
    for (outcome, signals) in outcomes {
        let signals = (!outcome.signals.is_empty()).then_some(signals.as_str());
        match integrations.get(&outcome.id.as_i64()) {
            // It never was in the inbox.
            Some(integration) => put(connection, *integration, outcome, signals)?,
            None => move_one(connection, outcome, signals)?,
        }
    }
    Ok(Filed::of(&kept))
}

/// Moves one that was in the database before. One that is not known is passed over: retention may have been faster.
fn move_one(
    connection: &Connection,
    outcome: &ReceiptOutcome,
    signals: Option<&str>,
) -> rusqlite::Result<()> {
    let id = outcome.id.as_i64();
    let integration_by = |statement: &str| -> rusqlite::Result<Option<i64>> {
        connection.prepare_cached(statement)?.query_row([id], |row| row.get(0)).optional()
    };
    let integration = match integration_by(sql::IN_INBOX)? {
        None => integration_by(sql::INTEGRATION_OF)?,
        waits => {
            connection.prepare_cached(sql::DELETE_INBOX)?.execute([id])?;
            waits
        }
    };
    let Some(integration) = integration else { return Ok(()) };
    if outcome.state == ReceiptState::Pending {
        connection.prepare_cached(sql::DELETE_OUTCOME)?.execute([id])?;
    }
    put(connection, integration, outcome, signals)
}

fn put(
    connection: &Connection,
    integration: i64,
    outcome: &ReceiptOutcome,
    signals: Option<&str>,
) -> rusqlite::Result<()> {
    place(connection, integration, outcome, signals)?;
    push_out(connection, integration, outcome.state)
}

/// Puts a receipt before the pipeline again.
pub(crate) async fn requeue(
    writer: &Writer,
    id: ReceiptId,
    verification: Verification,
) -> Result<(), StoreError> {
    const DOING: &str = "put the receipt back into the inbox";
    let verification = encode(&verification).map_err(|error| StoreError::new(DOING, error))?;
    let work = move |connection: &Connection| -> Result<(), Abort> {
        let integration: Option<i64> = connection
            .prepare_cached(sql::UPDATE_VERIFICATION)?
            .query_row(params![id.as_i64(), verification], |row| row.get(0))
            .optional()?;
        if let Some(integration) = integration {
            connection.prepare_cached(sql::DELETE_OUTCOME)?.execute([id.as_i64()])?;
            connection.prepare_cached(sql::INSERT_INBOX)?.execute(params![id.as_i64(), integration])?;
        }
        Ok(())
    };
    Ok(writer.write(DOING, Shield::Savepoint, work).await?)
}

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
            let mut statement = connection.prepare_cached(sql::PENDING)?;
            let (mut receipts, mut bytes, mut blocks) = (Vec::new(), 0_usize, Blocks::default());
            for id in ids {
                // First, as what is taken in after that is found in the database.
                let receipt = match fresh.get(id.as_i64()) {
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
        dedup_key: explicit.zip(hash).map(|(explicit, hash)| DedupKey { hash, explicit }),
        alert_key: row.get(8)?,
        head: decode(row, 9)?,
        body: Vec::new(),
        state: ReceiptState::Pending,
        problem: None,
    })
}
