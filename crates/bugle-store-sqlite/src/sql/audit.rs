//! Who changed what.

statements! {
    ENTRY_INSERT = "INSERT INTO audit (at, document) VALUES (?1, ?2)";
    ENTRIES_TOO_MANY_DELETE = "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1";
    /// More at a time than are added, so that they become fewer.
    ENTRIES_OLD_DELETE = "DELETE FROM audit WHERE id IN \
        (SELECT id FROM audit WHERE id > -1 ORDER BY id LIMIT 100) AND at < ?1";
    PAGE = "SELECT id, document FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
}
