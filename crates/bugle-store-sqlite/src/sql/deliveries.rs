//! Deliveries, their attempts and the count of what waits.

macro_rules! columns {
    () => {
        "id, destination_id, incident_id, event_id, sequence, state, attempts, attempts_forgiven, next_attempt_at, \
         reason, created_at, settled_at"
    };
}

macro_rules! page {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM delivery WHERE ",
            $condition,
            " AND id < ?1 ORDER BY id DESC LIMIT ?2"
        )
    };
}

statements! {
    HAS_UNSETTLED = "SELECT EXISTS (SELECT 1 FROM delivery WHERE destination_id = ?1 AND incident_id = ?2 AND state < 2)";
    HAS_UNSETTLED_BEFORE = "SELECT EXISTS (SELECT 1 FROM delivery WHERE destination_id = ?1 AND incident_id = ?2 AND \
        sequence < ?3 AND state < 2)";
    INSERT = "INSERT INTO delivery (id, destination_id, incident_id, event_id, sequence, state, next_attempt_at, \
        created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    ADD_TO_BACKLOG = "INSERT INTO backlog (destination_id, unsettled) VALUES (?1, ?2) \
        ON CONFLICT (destination_id) DO UPDATE SET unsettled = unsettled + excluded.unsettled";

    DESTINATION_IS_DELETED = "SELECT EXISTS (SELECT 1 FROM destination WHERE id = ?1 AND deleted_at IS NOT NULL)";
    /// Those never tried are due since they were made, so the time is not asked: a clock that was turned back delays none.
    FIRST_TRIES = "SELECT id FROM delivery WHERE destination_id = ?1 AND state = 0 AND attempts = 0 \
        ORDER BY next_attempt_at, id";
    RETRIES = "SELECT id, next_attempt_at FROM delivery WHERE destination_id = ?1 AND state = 0 AND attempts > 0 \
        ORDER BY next_attempt_at, id";
    /// Retries of a later time than now, from before the clock was turned back.
    TURNED_BACK = "SELECT id FROM delivery WHERE destination_id = ?1 AND state = 0 AND attempts > 0 AND \
        scheduled_at > ?2 ORDER BY scheduled_at, id";
    EVENT = "SELECT document FROM event WHERE id = ?1";
    /// Apart from what then changes it: a change that returns something may have to be undone alone, and SQLite copies
    /// every page before it.
    UNSETTLED = "SELECT state, attempts, destination_id, incident_id FROM delivery WHERE id = ?1 AND state IN (0, 1)";
    SETTLE = "UPDATE delivery SET state = ?2, attempts = ?3, next_attempt_at = NULL, reason = ?4, \
        settled_at = coalesce(?5, max(created_at, ?6)) WHERE id = ?1";
    /// It was tried, whether or not that is on record: one that was never tried would be due at once.
    RETRY = "UPDATE delivery SET attempts = ?2, next_attempt_at = ?3, reason = ?4, scheduled_at = ?5 WHERE id = ?1";
    FIRST_UNSETTLED = "SELECT id, state FROM delivery WHERE destination_id = ?1 AND incident_id = ?2 AND state < 2 \
        ORDER BY sequence LIMIT 1";
    /// An unblocked delivery is due since it was made, so it goes before younger ones.
    UNBLOCK = "UPDATE delivery SET state = 0, next_attempt_at = created_at, scheduled_at = created_at WHERE id = ?1";
    SET_CIRCUIT = "INSERT OR REPLACE INTO circuit (destination_id, document) VALUES (?1, ?2)";
    /// Above those of all attempts and of all places in blocks.
    NEXT_ATTEMPT = "SELECT max(coalesce((SELECT max(id) FROM attempt), 0), \
        coalesce((SELECT last_attempt_id FROM attempt_block WHERE id = (SELECT max(id) FROM attempt_block)), 0)) + 1";
    ATTEMPT_INSERT = "INSERT INTO attempt (id, delivery_id, number, document) VALUES (?1, ?2, ?3, '')";
    ATTEMPT_BLOCK_INSERT = "INSERT INTO attempt_block (id, last_attempt_id, packed) VALUES (?1, ?2, ?3)";
    ATTEMPTS = "SELECT id, number, document FROM attempt WHERE delivery_id = ?1 ORDER BY number LIMIT ?2";
    ATTEMPT_BLOCK = "SELECT packed FROM attempt_block WHERE id = ?1";
    ATTEMPT_BLOCK_OF = "SELECT id, last_attempt_id FROM attempt_block WHERE id <= ?1 ORDER BY id DESC LIMIT 1";
    SOME_ATTEMPTS = "SELECT id FROM attempt WHERE delivery_id = ?1 LIMIT ?2";
    ATTEMPT_DELETE = "DELETE FROM attempt WHERE id = ?1";
    ATTEMPT_BLOCK_IS_USED = "SELECT 1 FROM attempt WHERE id BETWEEN ?1 AND ?2 LIMIT 1";
    ATTEMPT_BLOCK_DELETE = "DELETE FROM attempt_block WHERE id = ?1";

    SEND_AGAIN = "UPDATE delivery SET state = ?2, attempts_forgiven = attempts, next_attempt_at = ?3, scheduled_at = ?3, \
        reason = NULL, settled_at = NULL WHERE id = ?1";
    DEAD_SINCE = concat!("SELECT ", columns!(), " FROM delivery WHERE destination_id = ?1 AND state = 3 AND \
        (created_at, id) > (?2, ?3) ORDER BY created_at, id LIMIT ?4");
    COUNT_DEAD_SINCE = "SELECT count(*) FROM (SELECT 1 FROM delivery WHERE destination_id = ?1 AND state = 3 AND \
        created_at >= ?2 ORDER BY created_at LIMIT ?3)";
    BACKLOG = "SELECT b.destination_id, b.unsettled, (SELECT created_at FROM delivery INDEXED BY delivery_unsettled \
        WHERE destination_id = b.destination_id AND state < 2 ORDER BY id LIMIT 1) FROM backlog b \
        WHERE NOT EXISTS (SELECT 1 FROM destination d WHERE d.id = b.destination_id AND d.deleted_at IS NOT NULL)";
    OLDEST_UNSETTLED = "SELECT w.created_at FROM delivery w INDEXED BY delivery_unsettled CROSS JOIN incident i ON i.id = w.incident_id \
        WHERE w.destination_id = ?1 AND w.state < 2 AND i.platform <> ?2 ORDER BY w.id LIMIT 1";

    ONE = concat!("SELECT ", columns!(), " FROM delivery WHERE id = ?1");
    PAGE = concat!("SELECT ", columns!(), " FROM delivery WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    PAGE_OF_INCIDENT = page!("incident_id = ?3");
    PAGE_TO_DESTINATION = page!("destination_id = ?3");
    PAGE_UNSETTLED_TO_DESTINATION = concat!("SELECT ", columns!(), " FROM delivery INDEXED BY delivery_unsettled \
        WHERE destination_id = ?3 AND state < 2 AND id < ?1 ORDER BY id DESC LIMIT ?2");
    DESTINATIONS_WAITED_FOR = "SELECT destination_id FROM backlog WHERE destination_id > -1 AND unsettled > 0";
    PAGE_DEAD = page!("state = 3");
    PAGE_DEAD_TO_DESTINATION = concat!("SELECT ", columns!(), " FROM delivery INDEXED BY delivery_dead_by_destination \
        WHERE destination_id = ?3 AND state = 3 AND id < ?1 ORDER BY id DESC LIMIT ?2");
}
