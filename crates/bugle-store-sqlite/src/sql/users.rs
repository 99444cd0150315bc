//! People who sign in, and their sessions.

macro_rules! user {
    () => {
        "u.id, u.name, u.role, u.password, u.disabled, u.session_epoch, u.created_at, u.updated_at, \
        u.issuer, u.subject"
    };
}

statements! {
    USERS = concat!("SELECT ", user!(), " FROM user u ORDER BY u.id");
    USER_PUT = "INSERT INTO user (id, name, role, password, disabled, session_epoch, created_at, updated_at, folded_name, \
        issuer, subject) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
        role = excluded.role, password = excluded.password, disabled = excluded.disabled, \
        session_epoch = excluded.session_epoch, updated_at = excluded.updated_at, folded_name = excluded.folded_name, \
        issuer = excluded.issuer, subject = excluded.subject";
    USER_DELETE = "DELETE FROM user WHERE id = ?1";

    SESSION = concat!("SELECT ", user!(), ", s.epoch, s.created_at, s.last_seen_at, s.expires_at FROM session s \
        CROSS JOIN user u ON u.id = s.user_id WHERE s.hash = ?1");
    SESSION_PUT = "INSERT INTO session (hash, user_id, epoch, created_at, last_seen_at, expires_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    SESSION_USED = "UPDATE session SET last_seen_at = ?2, expires_at = ?3 WHERE hash = ?1";
    SESSION_DELETE = "DELETE FROM session WHERE hash = ?1";
    SESSIONS_OF_USER_DELETE = "DELETE FROM session WHERE user_id = ?1";
    /// More at a time than are added, so that they become fewer.
    SESSIONS_OVER_DELETE = "DELETE FROM session WHERE hash IN \
        (SELECT hash FROM session WHERE expires_at < ?1 ORDER BY expires_at LIMIT 100)";
    SESSIONS_TOO_MANY_DELETE = "DELETE FROM session WHERE hash IN \
        (SELECT hash FROM session WHERE user_id = ?1 ORDER BY created_at DESC LIMIT -1 OFFSET ?2)";
}
