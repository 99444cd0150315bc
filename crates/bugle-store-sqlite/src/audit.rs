//! Who changed what: facts that are added, and go when they are old.

use bugle_model::{Actor, AuditEntry, AuditRecord, Page, Timestamp, id::Id, limits};
use bugle_store::{AuditFilter, PageRequest, StoreError};
use rusqlite::{Connection, params};

use crate::{
    codec::{decode, encode},
    page::{EXAMINED_MAX, Pager, below},
    readers::Readers,
    sql::audit as sql,
    writer::{Abort, Shield, Writer},
};

/// Keeps a fact, and lets those go that are old or too many.
pub(crate) async fn note(writer: &Writer, entry: AuditEntry, keep_from: Timestamp) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        let values = params![entry.at.as_millis(), encode(&entry)?];
        connection.prepare_cached(sql::ENTRY_INSERT)?.execute(values)?;
        let most = i64::from(limits::AUDIT_ENTRIES_MAX);
        connection.prepare_cached(sql::ENTRIES_TOO_MANY_DELETE)?.execute([most])?;
        Ok(connection.prepare_cached(sql::ENTRIES_OLD_DELETE)?.execute([keep_from.as_millis()]).map(drop)?)
    };
    Ok(writer.write("keep who changed what", Shield::Savepoint, work).await?)
}

/// A page, newest first.
pub(crate) async fn page(
    readers: &Readers,
    filter: AuditFilter,
    page: PageRequest,
) -> Result<Page<AuditRecord>, StoreError> {
    readers
        .read("read who changed what", move |connection| {
            let mut pager = Pager::new(page);
            let (mut examined, mut last) = (0, 0);
            let mut statement = connection.prepare_cached(sql::PAGE)?;
            let mut rows = statement.query(params![below(page), EXAMINED_MAX])?;
            while let Some(row) = rows.next()? {
                examined += 1;
                last = row.get(0)?;
                let record = AuditRecord { id: Id::from_i64(last), entry: decode(row, 1)? };
                if admits(&filter, &record.entry) {
                    pager.push(last, record);
                    if pager.is_full() {
                        break;
                    }
                }
            }
            Ok(if examined == EXAMINED_MAX { pager.finish_early(last) } else { pager.finish() })
        })
        .await
}

fn admits(filter: &AuditFilter, entry: &AuditEntry) -> bool {
    let name = match &entry.actor {
        Some(Actor::User { email: name } | Actor::ApiKey { name, .. } | Actor::Rule { name }) => name,
        _ => "",
    };
    filter.about.as_deref().is_none_or(|about| entry.action.about() == about)
        && filter.actor.as_deref().is_none_or(|part| name.to_lowercase().contains(&part.to_lowercase()))
        && filter
            .subject
            .as_deref()
            .is_none_or(|id| entry.subject.as_ref().is_some_and(|subject| subject.id == id))
}
