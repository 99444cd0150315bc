-- People who sign in, and the browsers they are signed in with. role: 0 read, 1 operate, 2 admin.

CREATE TABLE user (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    role INTEGER NOT NULL,
    password TEXT,
    disabled INTEGER NOT NULL,
    session_epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX user_by_name ON user (folded_name);

CREATE TABLE session (
    hash BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_by_user ON session (user_id, created_at);
CREATE INDEX session_by_expiry ON session (expires_at);
