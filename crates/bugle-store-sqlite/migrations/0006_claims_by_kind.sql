-- Those never tried apart from the retries, so that however many of one kind are due, a claim finds the other at once.

DROP INDEX delivery_pending;
CREATE INDEX delivery_first_try ON delivery (destination_id, next_attempt_at, id) WHERE state = 0 AND attempts = 0;
CREATE INDEX delivery_retry ON delivery (destination_id, next_attempt_at, id) WHERE state = 0 AND attempts > 0;
