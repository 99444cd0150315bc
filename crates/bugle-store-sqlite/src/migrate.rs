//! Brings a database to the schema that this program knows. Each step is a numbered file and one transaction; the number
//! of the last one that was taken is SQLite's own `user_version`.

use rusqlite::{Connection, TransactionBehavior};

use crate::{OpenError, incidents::index_all};

/// The steps in their order; the first is number 1. A released step is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_event_position.sql"),
    include_str!("../migrations/0003_retention.sql"),
    include_str!("../migrations/0004_users.sql"),
    include_str!("../migrations/0005_fewer_indexes.sql"),
    include_str!("../migrations/0006_claims_by_kind.sql"),
    include_str!("../migrations/0007_activity.sql"),
    include_str!("../migrations/0008_audit.sql"),
    include_str!("../migrations/0009_schedules_and_lists.sql"),
    include_str!("../migrations/0010_user_identity.sql"),
    include_str!("../migrations/0011_words.sql"),
    include_str!("../migrations/0012_counts.sql"),
    include_str!("../migrations/0013_journal.sql"),
    include_str!("../migrations/0014_blocks.sql"),
    include_str!("../migrations/0015_held_by_event.sql"),
    include_str!("../migrations/0016_words_that_meet.sql"),
    include_str!("../migrations/0017_attempts_in_blocks.sql"),
    include_str!("../migrations/0018_nobodys_incidents.sql"),
    include_str!("../migrations/0019_inbox_mark.sql"),
];

/// The step that leaves the index of words empty.
const INDEX_IS_NEW: i64 = 16;

/// The schema that this program knows.
const SCHEMA: i64 = MIGRATIONS.len().cast_signed() as i64;

/// The schema that a database has.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Takes the steps that are missing. Refuses a database that a newer program has changed.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let found = version(connection)?;
    if !(0..=SCHEMA).contains(&found) {
        return Err(OpenError::NewerSchema { found, known: SCHEMA });
    }
    for (number, step) in (1_i64..).zip(MIGRATIONS) {
        if number > found {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(step)?;
            if number == INDEX_IS_NEW {
                if found > 0 {
                    tracing::info!(
                        "indexes the words of all incidents anew, which takes 20 seconds for a million"
                    );
                }
                index_all(&transaction)?;
            }
            transaction.pragma_update(None, "user_version", number)?;
            transaction.commit()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bugle_model::IntegrationId;
    use bugle_store::conformance::sample;
    use rusqlite::Params;

    use super::*;
    use crate::{
        codec::Packer,
        document::Document,
        incidents::{self, WrittenIncident},
        tally::Tally,
    };

    fn ids(connection: &Connection, statement: &str, values: impl Params) -> Vec<i64> {
        let mut statement = connection.prepare(statement).unwrap();
        statement.query_map(values, |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_second_run_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let key = |connection: &Connection| -> Vec<u8> {
            connection.query_row(crate::sql::config::SEAL_KEY, [], |row| row.get(0)).unwrap()
        };
        let before = key(&connection);
        migrate(&mut connection).unwrap();
        assert_eq!(version(&connection).unwrap(), SCHEMA);
        assert_eq!((key(&connection), before.len()), (before, 32));
    }

    #[test]
    fn events_of_the_first_schema_stand_at_their_ids() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO event (id, incident_id, sequence, document) VALUES (70, 1, 1, '{}'), (90, 1, 2, '{}'); \
                 PRAGMA user_version = 1",
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        let (wrong, last): (i64, i64) = connection
            .query_row(
                "SELECT count(*) FILTER (WHERE position IS NOT id), max(position) FROM event",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!((wrong, last), (0, 90));
    }

    #[test]
    fn incidents_that_are_there_are_indexed_anew() {
        let mut connection = Connection::open_in_memory().unwrap();
        for (_, step) in (1..INDEX_IS_NEW).zip(MIGRATIONS) {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", INDEX_IS_NEW - 1).unwrap();
        let mut packer = Packer::default();
        for id in [7, 8] {
            let incident = sample::incident(id, IntegrationId::from_i64(1));
            let document = Document::own(&incident, &mut packer).unwrap();
            let written = WrittenIncident::new(incident, document);
            incidents::store(&connection, &written, &mut Tally::of_incidents()).unwrap();
        }
        migrate(&mut connection).unwrap();
        let query = (i64::MAX, 9, "\"·service·billing\"");
        let found = ids(&connection, crate::sql::incidents::IDS_WITH_WORDS, query);
        assert_eq!(found, [8, 7]);
    }

    /// At the first schema a pending receipt had its row in the inbox, in whatever order.
    #[test]
    fn what_was_pending_stays_so() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO receipt (id, integration_id, received_at, remote_ip, correlation_id, verification, head, body) \
                 SELECT value, 1, 0, '', '', '', '', '' FROM json_each('[3, 4, 5, 6]'); \
                 INSERT INTO receipt_outcome (receipt_id, integration_id, state) VALUES (3, 1, 1), (5, 1, 1); \
                 INSERT INTO inbox (receipt_id, integration_id) VALUES (4, 1), (6, 1); \
                 PRAGMA user_version = 1",
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        assert_eq!(ids(&connection, crate::sql::receipts::PENDING_IDS, [9]), [4, 6]);
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", SCHEMA + 1).unwrap();
        let refusal = migrate(&mut connection).unwrap_err().to_string();
        assert!(refusal.contains("newer version of Bugle"), "{refusal}");
        assert_eq!(version(&connection).unwrap(), SCHEMA + 1);
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE delivery (id)").unwrap();
        assert!(migrate(&mut connection).is_err());
        assert_eq!(version(&connection).unwrap(), 0);
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 1);
    }
}
