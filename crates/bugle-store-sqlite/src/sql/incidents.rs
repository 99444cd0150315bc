//! Alerts, incidents, the words they are found by, and the events on their timelines.

/// A document, and the event that holds it where its own row does not.
macro_rules! document_of {
    ($table:literal) => {
        concat!("document, (SELECT e.document FROM event e WHERE e.id = ", $table, ".event_id)")
    };
}
pub(super) use document_of;

macro_rules! incident {
    ($condition:literal) => {
        concat!("SELECT ", document_of!("incident"), " FROM incident WHERE ", $condition)
    };
}

macro_rules! ids {
    ($condition:literal) => {
        concat!("SELECT id FROM incident WHERE ", $condition, " AND id < ?1 ORDER BY id DESC LIMIT ?2")
    };
}

macro_rules! in_status {
    ($parameter:literal) => {
        concat!("SELECT id FROM incident WHERE status = ", $parameter, " AND id < ?1")
    };
}

/// Two ordered runs: those that somebody has, and those that nobody has.
macro_rules! with_severity_in_status {
    ($parameter:literal) => {
        concat!(
            with_severity_in_status!($parameter, "?10", "?11"),
            " UNION ALL ",
            with_severity_in_status!($parameter, "?10", "?12")
        )
    };
    ($parameter:literal, $severity:literal, $is_nobodys:literal) => {
        concat!(
            "SELECT id FROM incident INDEXED BY incident_by_severity WHERE severity = ",
            $severity,
            " AND status = ",
            $parameter,
            " AND (owner = '') = ",
            $is_nobodys,
            " AND id < ?1"
        )
    };
}

/// Five ordered runs, one of each severity.
macro_rules! nobodys_in_status {
    ($parameter:literal) => {
        concat!(
            with_severity_in_status!($parameter, "0", "1"),
            " UNION ALL ",
            with_severity_in_status!($parameter, "1", "1"),
            " UNION ALL ",
            with_severity_in_status!($parameter, "2", "1"),
            " UNION ALL ",
            with_severity_in_status!($parameter, "3", "1"),
            " UNION ALL ",
            with_severity_in_status!($parameter, "4", "1")
        )
    };
}

macro_rules! open_with_severity {
    ($severity:literal) => {
        concat!(open_with_severity!($severity, "0"), " UNION ALL ", open_with_severity!($severity, "1"))
    };
    ($severity:literal, $is_nobodys:literal) => {
        concat!(
            "SELECT severity, id, ",
            document_of!("incident"),
            " FROM incident INDEXED BY incident_by_severity WHERE status = 0 AND severity = ",
            $severity,
            " AND (owner = '') = ",
            $is_nobodys
        )
    };
}

statements! {
    ALERT_BY_FINGERPRINT = concat!(
        "SELECT ", document_of!("alert"), " FROM alert WHERE integration_id = ?1 AND fingerprint = ?2"
    );
    ALERT_KEYS = "SELECT incident_id FROM alert WHERE id = ?1";
    ALERT_INSERT = "INSERT INTO alert (id, document, event_id, integration_id, fingerprint, incident_id) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    /// For an alert that stays with its incident, which is nearly always: no index changes.
    ALERT_TOUCH = "UPDATE alert SET document = ?2, event_id = ?3 WHERE id = ?1";
    ALERT_MOVE = "UPDATE alert SET document = ?2, event_id = ?3, incident_id = ?4 WHERE id = ?1";
    ALERTS_OF_INCIDENT = concat!(
        "SELECT id, ", document_of!("alert"), " FROM alert WHERE incident_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
    );

    EVERY = concat!("SELECT id, ", document_of!("incident"), " FROM incident WHERE id > ?1 ORDER BY id");
    ONE = incident!("id = ?1");
    UNRESOLVED_OF_KEY = incident!("grouping_key = ?1 AND status < 3");
    RESOLVED_OF_KEY = incident!("grouping_key = ?1 AND status >= 3 ORDER BY resolved_at DESC LIMIT ?2");
    RESOLVED_LAST_OF_KEY = incident!("grouping_key = ?1 AND status >= 3 ORDER BY resolved_at DESC LIMIT 1");
    FACTS = "SELECT revision, status, severity, owner, platform, grouping_key, resolved_at, words_hash \
        FROM incident WHERE id = ?1";
    INSERT = "INSERT INTO incident (id, revision, document, event_id, status, severity, owner, platform, grouping_key, \
        resolved_at, words_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    /// For a change that touches no column that is filtered on: no index changes.
    TOUCH = "UPDATE incident SET revision = ?2, document = ?3, event_id = ?4 WHERE id = ?1";
    UPDATE = "UPDATE incident SET revision = ?2, document = ?3, event_id = ?4, status = ?5, severity = ?6, owner = ?7, \
        platform = ?8, grouping_key = ?9, resolved_at = ?10, words_hash = ?11 WHERE id = ?1";
    WORDS_INSERT = "INSERT INTO incident_text (rowid, words) VALUES (?1, ?2)";
    WORDS_DELETE = "DELETE FROM incident_text WHERE rowid = ?1";
    /// An entry comes once for each of its incidents.
    ENTRIES_FROM = "SELECT term FROM incident_word WHERE term >= ?1 AND term < ?2";

    IDS = "SELECT id FROM incident WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    IDS_WITH_OWNER = ids!("owner = ?3");
    IDS_OF_PLATFORM = ids!("platform = ?3");
    IDS_WITH_WORDS = "SELECT rowid FROM incident_text WHERE incident_text MATCH ?3 AND rowid < ?1 ORDER BY rowid DESC LIMIT ?2";
    HAS_WORDS = "SELECT 1 FROM incident_text WHERE incident_text MATCH ?2 AND rowid = ?1";
    /// Seven ordered runs that are merged; a status that is not asked for is bound to NULL and costs nothing.
    IDS_IN_STATUSES = concat!(
        in_status!("?3"), " UNION ALL ", in_status!("?4"), " UNION ALL ", in_status!("?5"), " UNION ALL ",
        in_status!("?6"), " UNION ALL ", in_status!("?7"), " UNION ALL ", in_status!("?8"), " UNION ALL ",
        in_status!("?9"), " ORDER BY id DESC LIMIT ?2"
    );
    /// The same of one severity, of those that somebody or that nobody has.
    IDS_WITH_SEVERITY_IN_STATUSES = concat!(
        with_severity_in_status!("?3"), " UNION ALL ", with_severity_in_status!("?4"), " UNION ALL ",
        with_severity_in_status!("?5"), " UNION ALL ", with_severity_in_status!("?6"), " UNION ALL ",
        with_severity_in_status!("?7"), " UNION ALL ", with_severity_in_status!("?8"), " UNION ALL ",
        with_severity_in_status!("?9"), " ORDER BY id DESC LIMIT ?2"
    );
    /// The same of those that nobody has.
    IDS_OF_NOBODY_IN_STATUSES = concat!(
        nobodys_in_status!("?3"), " UNION ALL ", nobodys_in_status!("?4"), " UNION ALL ", nobodys_in_status!("?5"),
        " UNION ALL ", nobodys_in_status!("?6"), " UNION ALL ", nobodys_in_status!("?7"), " UNION ALL ",
        nobodys_in_status!("?8"), " UNION ALL ", nobodys_in_status!("?9"), " ORDER BY id DESC LIMIT ?2"
    );

    WORST_OPEN = concat!(
        open_with_severity!("4"), " UNION ALL ", open_with_severity!("3"), " UNION ALL ", open_with_severity!("2"),
        " UNION ALL ", open_with_severity!("1"), " UNION ALL ", open_with_severity!("0"),
        " ORDER BY severity DESC, id DESC LIMIT ?1"
    );
    ADD_TO_COUNT = "INSERT INTO incident_count (status, severity, incidents) VALUES (?1, ?2, ?3) \
        ON CONFLICT (status, severity) DO UPDATE SET incidents = incidents + excluded.incidents";
    COUNTS = "SELECT status, severity, incidents FROM incident_count WHERE status >= 0 AND incidents > 0";

    /// An event stands at its id, or above all others if one with a larger id was there before it. Positions grow with
    /// time like the ids, so that one whose events are all gone is not given out again.
    EVENT_INSERT = "INSERT INTO event (id, incident_id, sequence, document, position) VALUES (?1, ?2, ?3, ?4, \
        max(?1, 1 + coalesce((SELECT max(position) FROM event), 0)))";
    EVENTS_AFTER = "SELECT position, document FROM event WHERE position > ?1 ORDER BY position LIMIT ?2";
    EVENTS_LATEST = "SELECT document FROM event WHERE position > 0 ORDER BY position DESC LIMIT ?1";
    LAST_POSITION = "SELECT coalesce(max(position), 0) FROM event";
    TIMELINE = "SELECT sequence, document FROM event WHERE incident_id = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3";
}
