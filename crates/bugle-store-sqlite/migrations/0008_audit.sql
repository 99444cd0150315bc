-- Who changed what of the configuration, and who signed in. Rows are only added, and the oldest go.

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    document TEXT NOT NULL
);
