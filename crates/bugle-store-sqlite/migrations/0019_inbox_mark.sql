-- A receipt without an outcome is pending. From this number on all that are pending are found by that; `inbox` lists those
-- below it, which came late or were put back. So a receipt in its order takes no row in there.

ALTER TABLE instance ADD COLUMN inbox_mark INTEGER NOT NULL DEFAULT 0;
UPDATE instance SET inbox_mark = (SELECT coalesce(max(id), 0) + 1 FROM receipt);
