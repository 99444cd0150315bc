-- Attempts that were recorded together, packed as one. A block's id is that of the first attempt in it; an attempt that is in a
-- block has no document of its own.

CREATE TABLE attempt_block (
    id INTEGER PRIMARY KEY,
    last_attempt_id INTEGER NOT NULL,
    packed BLOB NOT NULL
);
