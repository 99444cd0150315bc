//! Each statement's plan uses an index or the rowid.

use rusqlite::Connection;

use super::{activity, audit, config, deliveries, incidents, receipts, retention, users};

/// Every statement there is, by noun.
const GROUPS: &[&[(&str, &str)]] = &[
    receipts::ALL,
    incidents::ALL,
    deliveries::ALL,
    retention::ALL,
    config::ALL,
    users::ALL,
    audit::ALL,
    activity::ALL,
];

/// Tables of a handful of rows that a person configured, or of one row.
const SMALL: &[&str] =
    &["integration", "destination", "d", "api_key", "u", "instance", "backlog", "b", "CONSTANT ROW"];

fn plan(connection: &Connection, statement: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    let mut rows = explain.raw_query();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        lines.push(row.get::<_, String>(3).unwrap());
    }
    lines
}

fn is_bounded(line: &str) -> bool {
    if line.contains("TEMP B-TREE") {
        return false;
    }
    match line.strip_prefix("SCAN ") {
        None => true,
        // What a subquery finds is bounded as the subquery is, which has lines of its own.
        Some(rest) => {
            rest.starts_with("(subquery-")
                || SMALL.iter().any(|name| rest == *name || rest.starts_with(&format!("{name} ")))
                || (rest.contains("VIRTUAL TABLE INDEX") && !rest.ends_with("INDEX 0:"))
        }
    }
}

#[test]
fn every_statement_uses_an_index() {
    let mut connection = Connection::open_in_memory().unwrap();
    crate::migrate::migrate(&mut connection).unwrap();
    for (name, statement) in GROUPS.iter().copied().flatten() {
        let plan = plan(&connection, statement);
        assert!(plan.iter().all(|line| is_bounded(line)), "{name}: {plan:#?}");
    }
}

/// An index that holds only what a list shows, where another one would do as well as far as SQLite knows: it does not know
/// how few rows there are of a kind.
#[test]
fn lists_of_what_is_rare_use_the_index_that_holds_nothing_else() {
    let mut connection = Connection::open_in_memory().unwrap();
    crate::migrate::migrate(&mut connection).unwrap();
    for (statement, index) in [
        (deliveries::PAGE_DEAD, "delivery_dead (id<?)"),
        (deliveries::PAGE_DEAD_TO_DESTINATION, "delivery_dead_by_destination (destination_id=? AND id<?)"),
        (deliveries::DEAD_SINCE, "delivery_dead_by_age (destination_id=? AND created_at>?)"),
        (deliveries::PAGE_UNSETTLED_TO_DESTINATION, "delivery_unsettled (destination_id=? AND rowid<?)"),
        (deliveries::RETRIES, "delivery_retry (destination_id=?)"),
        (receipts::PAGE_IN_STATE, "receipt_outcome_by_state (state=? AND receipt_id<?)"),
        (
            receipts::PAGE_OF_INTEGRATION_IN_STATE,
            "receipt_outcome_by_integration (integration_id=? AND state=? AND receipt_id<?)",
        ),
        (incidents::RESOLVED_OF_KEY, "incident_resolved (grouping_key=?)"),
    ] {
        let plan = plan(&connection, statement);
        assert!(plan.first().is_some_and(|line| line.ends_with(index)), "{statement}: {plan:#?}");
    }
}

/// Ids are read in great numbers, so that no row may be opened for one.
#[test]
fn ids_are_read_from_indexes_alone() {
    let mut connection = Connection::open_in_memory().unwrap();
    crate::migrate::migrate(&mut connection).unwrap();
    for statement in [
        incidents::IDS_WITH_OWNER,
        incidents::IDS_OF_PLATFORM,
        incidents::IDS_IN_STATUSES,
        incidents::IDS_WITH_SEVERITY_IN_STATUSES,
        incidents::IDS_OF_NOBODY_IN_STATUSES,
    ] {
        let plan = plan(&connection, statement);
        let mut searches = plan.iter().filter(|line| line.starts_with("SEARCH"));
        assert!(searches.all(|line| line.contains("COVERING INDEX")), "{statement}: {plan:#?}");
    }
}

/// Whether SQLite prepares to undo a statement alone. Before it does, the text index writes the words that it holds to its
/// table, which shows.
fn may_be_undone_alone(statement: &str) -> bool {
    let mut connection = Connection::open_in_memory().unwrap();
    crate::migrate::migrate(&mut connection).unwrap();
    let transaction = connection.transaction().unwrap();
    let stored = || -> i64 {
        transaction.query_row("SELECT count(*) FROM incident_text_data", [], |row| row.get(0)).unwrap()
    };
    transaction.execute(incidents::WORDS_INSERT, (1, "disk full")).unwrap();
    let before = stored();
    // Nothing is bound, so that most are refused; what is asked here comes before that.
    transaction.prepare(statement).unwrap().raw_query().next().ok();
    stored() > before
}

#[test]
fn what_is_written_for_each_alert_need_not_be_undone_alone() {
    for statement in [
        receipts::INSERT,
        receipts::INSERT_IN_BLOCK,
        receipts::INSERT_BLOCK,
        receipts::INSERT_INBOX,
        receipts::DELETE_INBOX,
        receipts::PUT_OUTCOME,
        incidents::INSERT,
        incidents::TOUCH,
        incidents::UPDATE,
        incidents::ADD_TO_COUNT,
        incidents::WORDS_INSERT,
        incidents::ALERT_INSERT,
        incidents::ALERT_TOUCH,
        incidents::ALERT_MOVE,
        incidents::EVENT_INSERT,
        deliveries::INSERT,
        deliveries::ADD_TO_BACKLOG,
        deliveries::SETTLE,
        deliveries::RETRY,
        deliveries::UNBLOCK,
        deliveries::ATTEMPT_INSERT,
        deliveries::ATTEMPT_BLOCK_INSERT,
        deliveries::SET_CIRCUIT,
    ] {
        assert!(!may_be_undone_alone(statement), "{statement}");
    }
    assert!(
        may_be_undone_alone(receipts::UPDATE_VERIFICATION),
        "one that returns something would be noticed"
    );
}

#[test]
fn a_scan_would_be_noticed() {
    let mut connection = Connection::open_in_memory().unwrap();
    crate::migrate::migrate(&mut connection).unwrap();
    for statement in [
        "SELECT count(*) FROM receipt",
        "SELECT id FROM delivery WHERE reason = ?1",
        "SELECT id FROM alert ORDER BY document",
    ] {
        let plan = plan(&connection, statement);
        assert!(!plan.iter().all(|line| is_bounded(line)), "{statement}: {plan:#?}");
    }
}

/// SQLite may look at what is bound to choose a plan; then each new value costs the making of a new one, which takes longer
/// than most statements do.
#[test]
fn no_statement_is_planned_anew_for_new_values() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = crate::connection::open_writer(folder.path()).unwrap();
    crate::migrate::migrate(&mut connection).unwrap();
    for (name, text) in GROUPS.iter().copied().flatten() {
        let mut statement = connection.prepare(text).unwrap();
        for value in [1_i64, 2, 3] {
            for parameter in 1..=statement.parameter_count() {
                statement.raw_bind_parameter(parameter, value).unwrap();
            }
            let mut rows = statement.raw_query();
            // What the statement makes of these values does not matter here.
            while let Ok(Some(_)) = rows.next() {}
        }
        let plans = statement.get_status(rusqlite::StatementStatus::RePrepare);
        assert_eq!(plans, 0, "{name}");
    }
}
