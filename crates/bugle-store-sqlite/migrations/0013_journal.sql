-- Receipts are kept in a journal first. All that it holds up to this number is in the database.

ALTER TABLE instance ADD COLUMN journal_mark INTEGER NOT NULL DEFAULT 0;
