-- The resolved incidents in the order in which retention takes them, and the largest id there ever was, which retention may
-- delete the row of.

CREATE INDEX incident_by_resolution ON incident (resolved_at) WHERE status >= 3;
ALTER TABLE instance ADD COLUMN id_floor INTEGER NOT NULL DEFAULT 0;
