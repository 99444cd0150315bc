//! Receipts: appended once, then only their state moves.

use std::{collections::HashMap, iter, sync::Arc};

use bugle_model::{
    Receipt, ReceiptId, ReceiptState, Verification, id::Id, limits::QUARANTINE_PER_INTEGRATION_MAX,
};
use bugle_store::{Appended, ReceiptOutcome, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    blocks::broken,
    codec::{Code, encode},
    fresh::{Filed, Fresh, insert as take_in},
    journal::{Journal, Outcome},
    kept::Kept,
    receipt_blocks::delete_if_unused,
    recent::Recent,
    sql::receipts as sql,
    turn,
    underway::{Held, SendersId},
    writer::{Abort, Shield, Writer},
};

/// Quarantined receipts pushed out by one more, should there ever be more than one too many.
const PUSHED_OUT_MAX: i64 = 16;

const DOING: &str = "keep the receipt";

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
    turn::call_comes();
    match journal.append(DOING, &receipt).await? {
        Outcome::Kept(appended) => Ok(appended),
        Outcome::ForDatabase(held) => append_at_once(journal.recent(), writer, receipt, held).await,
    }
}

/// Keeps a receipt in the database.
pub(crate) async fn append_at_once(
    recent: &Arc<Recent>,
    writer: &Writer,
    receipt: Receipt,
    held: Option<Held>,
) -> Result<Appended, StoreError> {
    let written = Written::new(receipt).map_err(|error| StoreError::new(DOING, error))?;
    let body = recent.body_of(&written.receipt);
    let (recent, remembered) = (Arc::clone(recent), Arc::clone(recent));
    // A rejected one takes several writes; an accepted one fails with its first or with the disk.
    let shield =
        if written.receipt.state == ReceiptState::Rejected { Shield::Savepoint } else { Shield::None };
    let held = held.map(Arc::new);
    let holder = held.clone();
    let work = move |connection: &Connection| {
        let same_body = body.as_ref().and_then(|body| recent.before(body));
        insert(connection, &written, same_body, holder.as_deref())
    };
    // Not before the commit: one that was undone is not there, so no other is its duplicate.
    let on_commit = move |_: &Appended| {
        if let Some(body) = body {
            remembered.remember(body);
        }
        drop(held);
    };
    Ok(writer.write_then(DOING, shield, work, on_commit).await?)
}

fn insert(
    connection: &Connection,
    row: &Written,
    same_body: Option<ReceiptId>,
    held: Option<&Held>,
) -> Result<Appended, Abort> {
    let receipt = &row.receipt;
    // What is fresh comes first, as repeats of it may be in the database before it.
    let same_id = match (held.and_then(Held::fresh), SendersId::of(receipt)) {
        (None, Some(id)) => with_senders_id(connection, id)?,
        (fresh, _) => fresh,
    };
    if !insert_row(connection, row)? {
        // Another has its id. A call that is not kept must not be answered as if it were.
        return Err(Abort::Conflict);
    }
    let state = if same_id.is_some() { ReceiptState::Duplicate } else { receipt.state };
    let outcome =
        ReceiptOutcome { id: receipt.id, state, problem: receipt.problem.clone(), signals: Vec::new() };
    put(connection, receipt.integration_id.as_i64(), &outcome, None)?;
    if state != ReceiptState::Pending {
        move_inbox_mark(connection)?;
    }
    Ok(Appended { duplicate_of: same_id.or(same_body) })
}

/// Inserts what a receipt is and not where it stands; false when it is there already.
pub(crate) fn insert_alone(connection: &Connection, kept: &Kept) -> rusqlite::Result<bool> {
    let row = Written::new(kept.receipt().map_err(broken)?)?;
    insert_row(connection, &row)
}

fn insert_row(connection: &Connection, row: &Written) -> rusqlite::Result<bool> {
    let receipt = &row.receipt;
    let senders_id = receipt.senders_id.filter(|_| receipt.state != ReceiptState::Rejected);
    let inserted = connection.prepare_cached(sql::INSERT)?.execute(params![
        receipt.id.as_i64(),
        receipt.integration_id.as_i64(),
        receipt.received_at.as_millis(),
        receipt.remote_ip.to_string(),
        receipt.correlation_id,
        row.verification,
        senders_id.map(|_| true),
        senders_id,
        receipt.alert_key,
        row.head,
        receipt.body,
    ])?;
    Ok(inserted > 0)
}

/// Sees to it that pending receipts are found: those below the mark take a row in the inbox.
pub(crate) fn insert_inbox(
    connection: &Connection,
    pending: impl Iterator<Item = (i64, i64)>,
) -> rusqlite::Result<()> {
    let mark: i64 = connection.prepare_cached(sql::INBOX_MARK)?.query_row([], |row| row.get(0))?;
    let mut insert = connection.prepare_cached(sql::INSERT_INBOX)?;
    pending
        .filter(|(id, _)| *id < mark)
        .try_for_each(|(id, integration)| insert.execute([id, integration]).map(drop))
}

/// Moves the mark behind what is dealt with. To be called after that: whoever looks for pending receipts passes over all above
/// the mark that are not.
fn move_inbox_mark(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached(sql::MOVE_INBOX_MARK)?.execute([]).map(drop)
}

/// The first receipt in the database that has this id of its sender's.
pub(crate) fn with_senders_id(connection: &Connection, id: SendersId) -> rusqlite::Result<Option<ReceiptId>> {
    connection
        .prepare_cached(sql::WITH_SENDERS_ID)?
        .query_row(params![id.integration_id.as_i64(), id.hash], |row| row.get(0).map(Id::from_i64))
        .optional()
}

/// Puts a receipt that only the journal had before a crash where it belongs: into the inbox. But if neither journal nor
/// database could keep it, as both told its sender, it may have been in the journal's file all the same, and what the sender
/// sent again is there too: only one of them is for the pipeline.
pub(crate) fn place_recovered(connection: &Connection, kept: &Kept) -> rusqlite::Result<()> {
    let (id, integration) = (kept.id, kept.integration_id);
    let is_repeat = kept.senders_id.map_or(Ok(false), |hash| {
        let values = params![integration, hash, id, ReceiptState::Duplicate.code()];
        connection.prepare_cached(sql::REPEATS_ANOTHER)?.exists(values)
    })?;
    let state = if is_repeat { ReceiptState::Duplicate } else { ReceiptState::Pending };
    let outcome = ReceiptOutcome { id: Id::from_i64(id), state, problem: None, signals: Vec::new() };
    place(connection, integration, &outcome, None)
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
        insert_inbox(connection, iter::once((id, integration_id)))?;
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
            // It never was pending in the database.
            Some(integration) => put(connection, *integration, outcome, signals)?,
            None => move_one(connection, outcome, signals)?,
        }
    }
    if !outcomes.is_empty() {
        move_inbox_mark(connection)?;
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
    let integration: Option<i64> =
        connection.prepare_cached(sql::INTEGRATION_OF)?.query_row([id], |row| row.get(0)).optional()?;
    let Some(integration) = integration else { return Ok(()) };
    connection.prepare_cached(sql::DELETE_INBOX)?.execute([id])?;
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
            insert_inbox(connection, iter::once((id.as_i64(), integration)))?;
        }
        Ok(())
    };
    Ok(writer.write(DOING, Shield::Savepoint, work).await?)
}
