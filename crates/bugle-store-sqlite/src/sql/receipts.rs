//! Receipts, the inbox of those that are pending, and what became of the others.

macro_rules! columns {
    () => {
        columns!("r.id")
    };
    ($id:literal) => {
        concat!(
            $id, ", r.integration_id, r.received_at, r.remote_ip, r.correlation_id, r.verification, r.dedup_explicit, \
            r.dedup_hash, r.alert_key, r.head, r.block"
        )
    };
}

/// A page's rows come with their state and without their bodies.
macro_rules! page {
    ($from:literal) => {
        concat!("SELECT ", columns!(), ", coalesce(o.state, 0), o.problem FROM ", $from, " LIMIT ?2")
    };
}

/// Whether a receipt has no outcome.
macro_rules! is_pending {
    () => {
        "NOT EXISTS (SELECT 1 FROM receipt_outcome o WHERE o.receipt_id = r.id)"
    };
}

/// The pending ones that the inbox does not list, as it lists those below the mark.
macro_rules! not_in_inbox {
    () => {
        concat!("receipt r WHERE r.id >= (SELECT inbox_mark FROM instance) AND ", is_pending!())
    };
}

/// All that are pending, oldest first.
macro_rules! pending_ids {
    () => {
        concat!(
            "SELECT receipt_id FROM inbox WHERE receipt_id > -1 UNION ALL SELECT r.id FROM ",
            not_in_inbox!(),
            " ORDER BY 1"
        )
    };
}

/// A page of pending receipts, of those that `and` says.
macro_rules! page_pending {
    ($and:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", 0, NULL FROM ",
            not_in_inbox!(),
            " AND r.id < ?1",
            $and,
            " UNION ALL SELECT ",
            columns!("i.receipt_id"),
            ", 0, NULL FROM inbox i CROSS JOIN receipt r ON r.id = i.receipt_id WHERE i.receipt_id < ?1",
            $and,
            " ORDER BY 1 DESC LIMIT ?2"
        )
    };
}

statements! {
    /// Passes over one that is there: the journal may tell of it again after a crash. Unlike an `OR IGNORE` it passes over
    /// nothing else.
    INSERT = "INSERT INTO receipt (id, integration_id, received_at, remote_ip, correlation_id, verification, \
        dedup_explicit, dedup_hash, alert_key, head, body) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO NOTHING";
    INSERT_IN_BLOCK = "INSERT INTO receipt (id, integration_id, received_at, remote_ip, correlation_id, \
        verification, head, body, block, dedup_explicit, dedup_hash) \
        VALUES (?1, ?2, ?3, '', '', '', '', x'', ?4, ?5, ?6) \
        ON CONFLICT (id) DO NOTHING";
    NEXT_BLOCK = "SELECT coalesce(max(id), 0) + 1 FROM receipt_block";
    INSERT_BLOCK = "INSERT INTO receipt_block (id, first_receipt_id, last_receipt_id, packed) VALUES (?1, ?2, ?3, ?4)";
    BLOCK = "SELECT packed FROM receipt_block WHERE id = ?1";
    BLOCK_IS_USED = "SELECT 1 FROM receipt_block b CROSS JOIN receipt r \
        ON r.id BETWEEN b.first_receipt_id AND b.last_receipt_id WHERE b.id = ?1 AND r.block = ?1 LIMIT 1";
    DELETE_BLOCK = "DELETE FROM receipt_block WHERE id = ?1";
    INSERT_INBOX = "INSERT OR IGNORE INTO inbox (receipt_id, integration_id) VALUES (?1, ?2)";
    INBOX_MARK = "SELECT inbox_mark FROM instance";
    /// To the first that is pending, else behind all. Each that is dealt with is looked at once for this.
    MOVE_INBOX_MARK = concat!("UPDATE instance SET inbox_mark = coalesce((SELECT r.id FROM ", not_in_inbox!(), " ORDER BY r.id \
        LIMIT 1), (SELECT max(id) + 1 FROM receipt), inbox_mark)");
    DELETE_INBOX = "DELETE FROM inbox WHERE receipt_id = ?1";
    /// Unlike a `REPLACE` it need not be undone alone, which would cost a copy of each page that it changes.
    PUT_OUTCOME = "INSERT INTO receipt_outcome (receipt_id, integration_id, state, problem, signals) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (receipt_id) DO UPDATE SET integration_id = excluded.integration_id, \
        state = excluded.state, problem = excluded.problem, signals = excluded.signals";
    DELETE_OUTCOME = "DELETE FROM receipt_outcome WHERE receipt_id = ?1";
    INTEGRATION_OF = "SELECT integration_id FROM receipt WHERE id = ?1";
    UPDATE_VERIFICATION = "UPDATE receipt SET verification = ?2 WHERE id = ?1 RETURNING integration_id";
    DELETE = "DELETE FROM receipt WHERE id = ?1 RETURNING block";

    JOURNAL_MARK = "SELECT journal_mark FROM instance";
    SET_JOURNAL_MARK = "UPDATE instance SET journal_mark = ?1";

    WITH_SENDERS_ID = "SELECT id FROM receipt WHERE integration_id = ?1 AND dedup_hash = ?2 AND dedup_explicit = 1 \
        ORDER BY id LIMIT 1";
    /// Whether another with this id of its sender's is there that is no duplicate itself.
    REPEATS_ANOTHER = "SELECT 1 FROM receipt r LEFT JOIN receipt_outcome o ON o.receipt_id = r.id \
        WHERE r.integration_id = ?1 AND r.dedup_hash = ?2 AND r.dedup_explicit = 1 AND r.id != ?3 \
        AND coalesce(o.state, 0) != ?4 LIMIT 1";
    /// The newest of those that are too many: the one after as many as may be kept.
    QUARANTINE_OVERFLOW = "SELECT receipt_id FROM receipt_outcome WHERE integration_id = ?1 AND state = ?2 \
        AND state > 1 ORDER BY receipt_id DESC LIMIT 1 OFFSET ?3";
    QUARANTINE_OLDEST = "SELECT receipt_id FROM receipt_outcome WHERE integration_id = ?1 AND state = ?2 AND \
        state > 1 AND receipt_id <= ?3 ORDER BY receipt_id LIMIT ?4";

    PENDING_IDS = concat!(pending_ids!(), " LIMIT ?1");
    PENDING = concat!("SELECT ", columns!(), ", 0, NULL, r.body FROM receipt r WHERE r.id = ?1 AND ", is_pending!());
    /// Counts no further than the row after the first `?1`, of the inbox and of the others.
    INBOX = concat!("WITH bound (first, after) AS (SELECT inbox_mark, coalesce((SELECT id FROM receipt \
        WHERE id >= inbox_mark ORDER BY id LIMIT 1 OFFSET ?1), 9223372036854775807) FROM instance) \
        SELECT (SELECT count(*) FROM (SELECT 1 FROM inbox WHERE receipt_id > -1 LIMIT ?1)) \
        + (SELECT count(*) FROM receipt WHERE id >= first AND id < after) \
        - (SELECT count(*) FROM receipt_outcome WHERE receipt_id >= first AND receipt_id < after), \
        (SELECT received_at FROM receipt WHERE id = (", pending_ids!(), " LIMIT 1)) FROM bound");
    ONE = concat!("SELECT ", columns!(), ", coalesce(o.state, 0), o.problem, r.body, o.signals FROM receipt r \
        LEFT JOIN receipt_outcome o ON o.receipt_id = r.id WHERE r.id = ?1");

    PAGE = page!("receipt r LEFT JOIN receipt_outcome o ON o.receipt_id = r.id WHERE r.id < ?1 ORDER BY r.id DESC");
    PAGE_OF_INTEGRATION = page!("receipt r LEFT JOIN receipt_outcome o ON o.receipt_id = r.id \
        WHERE r.integration_id = ?3 AND r.id < ?1 ORDER BY r.id DESC");
    PAGE_PENDING = page_pending!("");
    /// Reads what is pending from its end until the page is full: what the pipeline has not reached yet.
    PAGE_PENDING_OF_INTEGRATION = page_pending!(" AND r.integration_id = ?3");
    PAGE_IN_STATE = page!("receipt_outcome o CROSS JOIN receipt r ON r.id = o.receipt_id \
        WHERE o.state = ?3 AND o.state > 1 AND o.receipt_id < ?1 ORDER BY o.receipt_id DESC");
    PAGE_OF_INTEGRATION_IN_STATE = page!("receipt_outcome o CROSS JOIN receipt r ON r.id = o.receipt_id \
        WHERE o.integration_id = ?3 AND o.state = ?4 AND o.state > 1 AND o.receipt_id < ?1 ORDER BY o.receipt_id DESC");
}
