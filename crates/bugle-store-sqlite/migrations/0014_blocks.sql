-- Receipts that were taken in together, packed as one. A receipt that is in a block has nothing in the columns for its texts,
-- but for a verification that was made anew.

CREATE TABLE receipt_block (
    id INTEGER PRIMARY KEY,
    first_receipt_id INTEGER NOT NULL,
    last_receipt_id INTEGER NOT NULL,
    packed BLOB NOT NULL
);
ALTER TABLE receipt ADD COLUMN block INTEGER;
