-- Nearly every receipt ends up processed. The indexes by state hold only the others, so that the way of nearly every receipt
-- writes to none of them.

DROP INDEX receipt_outcome_by_state;
DROP INDEX receipt_outcome_by_integration;
CREATE INDEX receipt_outcome_by_state ON receipt_outcome (state, receipt_id) WHERE state > 1;
CREATE INDEX receipt_outcome_by_integration ON receipt_outcome (integration_id, state, receipt_id) WHERE state > 1;
