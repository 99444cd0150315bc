//! What people configure, and what the store keeps about itself.

/// The largest id that was ever stored. Configured things have random ids of their own and do not count.
macro_rules! id_floor {
    () => {
        "SELECT max(id_floor, coalesce((SELECT max(id) FROM receipt), 0), coalesce((SELECT max(id) FROM alert), 0), \
         coalesce((SELECT max(id) FROM incident), 0), coalesce((SELECT max(id) FROM event), 0), \
         coalesce((SELECT max(id) FROM delivery), 0)) FROM instance WHERE id = 1"
    };
}

statements! {
    SEAL_KEY = "SELECT seal_key FROM instance WHERE id = 1";
    ID_FLOOR = id_floor!();
    /// Before rows are deleted, one of which may have it.
    REMEMBER_ID_FLOOR = concat!("UPDATE instance SET id_floor = (", id_floor!(), ") WHERE id = 1");
    PING = "UPDATE instance SET pings = pings + 1 WHERE id = 1";

    INTEGRATIONS = "SELECT id, document FROM integration WHERE deleted_at IS NULL ORDER BY id";
    INTEGRATION_PUT = "INSERT INTO integration (id, document) VALUES (?1, ?2) \
        ON CONFLICT (id) DO UPDATE SET document = excluded.document WHERE deleted_at IS NULL";
    INTEGRATION_DELETE = "UPDATE integration SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL";
    DESTINATIONS = "SELECT d.id, d.document, c.document FROM destination d \
        LEFT JOIN circuit c ON c.destination_id = d.id WHERE d.deleted_at IS NULL ORDER BY d.id";
    DESTINATION_PUT = "INSERT INTO destination (id, document) VALUES (?1, ?2) \
        ON CONFLICT (id) DO UPDATE SET document = excluded.document WHERE deleted_at IS NULL";
    DESTINATION_DELETE = "UPDATE destination SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL";
    BACKLOG_BEGIN = "INSERT OR IGNORE INTO backlog (destination_id, unsettled) VALUES (?1, 0)";

    SECRETS = "SELECT secret_id, value, created_at, expires_at FROM secret WHERE owner_kind = ?1 AND owner_id = ?2 \
        ORDER BY place";
    SECRETS_DELETE = "DELETE FROM secret WHERE owner_kind = ?1 AND owner_id = ?2";
    SECRET_INSERT = "INSERT INTO secret (owner_kind, owner_id, place, secret_id, value, created_at, expires_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

    API_KEYS = "SELECT id, name, scope, hash, created_at, last_used_at FROM api_key ORDER BY id";
    API_KEY_PUT = "INSERT INTO api_key (id, name, scope, hash, created_at, last_used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    API_KEY_USED = "UPDATE api_key SET last_used_at = ?2 WHERE id = ?1";
    API_KEY_DELETE = "DELETE FROM api_key WHERE id = ?1";
}
