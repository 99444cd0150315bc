//! Calls a minute by platform.

use bugle_store::{CallCount, StoreError};
use rusqlite::{Connection, Row, params};

use crate::{
    readers::Readers,
    sql::activity as sql,
    writer::{Abort, Shield, Writer},
};

/// All counts from a minute on.
pub(crate) async fn all(readers: &Readers, from_minute: i64) -> Result<Vec<CallCount>, StoreError> {
    let read = |row: &Row<'_>| {
        let calls = u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default();
        Ok(CallCount { minute: row.get(0)?, platform: row.get(1)?, calls })
    };
    readers
        .read("read the activity", move |connection| {
            connection.prepare_cached(sql::ACTIVITY)?.query_map([from_minute], read)?.collect()
        })
        .await
}

/// Adds to the counts, and forgets what is before a minute.
pub(crate) async fn add(writer: &Writer, counts: Vec<CallCount>, from_minute: i64) -> Result<(), StoreError> {
    let work = move |connection: &Connection| -> Result<(), Abort> {
        connection.prepare_cached(sql::ACTIVITY_OLD_DELETE)?.execute([from_minute])?;
        let mut add = connection.prepare_cached(sql::ACTIVITY_ADD)?;
        for CallCount { minute, platform, calls } in counts {
            add.execute(params![minute, platform, i64::try_from(calls).unwrap_or(i64::MAX)])?;
        }
        Ok(())
    };
    Ok(writer.write("keep the activity", Shield::Savepoint, work).await?)
}
