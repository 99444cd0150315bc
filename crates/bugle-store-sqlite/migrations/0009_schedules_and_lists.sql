-- When it was decided that a delivery is due at its next_attempt_at. If that is still to come, the clock was turned back
-- since, and the retry is due. Only retries are in the index, so a delivery that arrives at once writes nothing to it.

ALTER TABLE delivery ADD COLUMN scheduled_at INTEGER;
CREATE INDEX delivery_scheduled ON delivery (destination_id, scheduled_at) WHERE state = 0 AND attempts > 0;

-- The unsettled ones of a destination in the order in which they were created, which is that of their ids: both the oldest
-- and the pages of the newest are at its ends.
DROP INDEX delivery_oldest;
CREATE INDEX delivery_unsettled ON delivery (destination_id) WHERE state < 2;

-- Incidents by severity, and by severity and status together: a page merges the runs of the statuses that it asks for.
DROP INDEX incident_by_severity;
DROP INDEX incident_open_by_severity;
CREATE INDEX incident_by_severity ON incident (severity, status);
