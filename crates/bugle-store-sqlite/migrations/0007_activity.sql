-- What people look at first, at a cost that does not grow: calls a minute by platform, how many incidents there are of each
-- status and severity, and the worst of those that nobody has taken.

CREATE TABLE activity (
    minute INTEGER NOT NULL,
    platform TEXT NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (minute, platform)
) WITHOUT ROWID;

CREATE TABLE incident_count (
    status INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    incidents INTEGER NOT NULL,
    PRIMARY KEY (status, severity)
) WITHOUT ROWID;
INSERT INTO incident_count (status, severity, incidents)
    SELECT status, severity, count(*) FROM incident GROUP BY status, severity;

-- Triggers, so that no way of writing or deleting an incident forgets to count.
CREATE TRIGGER incident_comes AFTER INSERT ON incident BEGIN
    INSERT INTO incident_count (status, severity, incidents) VALUES (NEW.status, NEW.severity, 1)
        ON CONFLICT (status, severity) DO UPDATE SET incidents = incidents + 1;
END;
CREATE TRIGGER incident_moves AFTER UPDATE OF status, severity ON incident
WHEN OLD.status <> NEW.status OR OLD.severity <> NEW.severity BEGIN
    UPDATE incident_count SET incidents = incidents - 1 WHERE status = OLD.status AND severity = OLD.severity;
    INSERT INTO incident_count (status, severity, incidents) VALUES (NEW.status, NEW.severity, 1)
        ON CONFLICT (status, severity) DO UPDATE SET incidents = incidents + 1;
END;
CREATE TRIGGER incident_goes AFTER DELETE ON incident BEGIN
    UPDATE incident_count SET incidents = incidents - 1 WHERE status = OLD.status AND severity = OLD.severity;
END;

CREATE INDEX incident_open_by_severity ON incident (severity, id) WHERE status = 0;
