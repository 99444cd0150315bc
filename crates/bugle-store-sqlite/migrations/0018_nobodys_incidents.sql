-- Incidents of a severity, a status and nobody are found by one index. Where each of these is common and together they are
-- not, going from one index to the other reads much of both.

DROP INDEX incident_by_severity;
CREATE INDEX incident_by_severity ON incident (severity, status, owner = '');
