-- An event holds its alert and its incident as of then. Where that is how they are now, their own row names the event and has
-- an empty document.

ALTER TABLE alert ADD COLUMN event_id INTEGER;
ALTER TABLE incident ADD COLUMN event_id INTEGER;
