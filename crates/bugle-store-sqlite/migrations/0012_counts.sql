-- Incidents are counted by whoever writes them, once for a whole step. A trigger made each insert one that may have to be
-- undone alone: SQLite then copies every page before it changes it, and writes what the text index holds to its pages.

DROP TRIGGER incident_comes;
DROP TRIGGER incident_moves;
DROP TRIGGER incident_goes;
