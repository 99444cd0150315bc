-- The first schema. Ids are rowids. What is filtered on has a column; the rest of each noun is a JSON document beside it.
-- A row that changes often is kept apart from the bytes that never do, so that a change does not write them again.

CREATE TABLE instance (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seal_key BLOB NOT NULL,
    pings INTEGER NOT NULL DEFAULT 0
);
INSERT INTO instance (id, seal_key) VALUES (1, randomblob(32));

CREATE TABLE integration (
    id INTEGER PRIMARY KEY,
    document TEXT NOT NULL,
    deleted_at INTEGER
);

CREATE TABLE destination (
    id INTEGER PRIMARY KEY,
    document TEXT NOT NULL,
    deleted_at INTEGER
);

CREATE TABLE circuit (
    destination_id INTEGER PRIMARY KEY,
    document TEXT NOT NULL
);

-- owner_kind: 0 integration, 1 destination. place: oldest first.
CREATE TABLE secret (
    owner_kind INTEGER NOT NULL,
    owner_id INTEGER NOT NULL,
    place INTEGER NOT NULL,
    secret_id INTEGER NOT NULL,
    value TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (owner_kind, owner_id, place)
) WITHOUT ROWID;

CREATE TABLE api_key (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    scope INTEGER NOT NULL,
    hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
);

-- A receipt is written once. The body comes last, so that reading the rest does not read it.
CREATE TABLE receipt (
    id INTEGER PRIMARY KEY,
    integration_id INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    remote_ip TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    verification TEXT NOT NULL,
    dedup_explicit INTEGER,
    dedup_hash BLOB,
    alert_key TEXT,
    head TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX receipt_by_integration ON receipt (integration_id, id);
CREATE INDEX receipt_by_sender_id ON receipt (integration_id, dedup_hash) WHERE dedup_explicit = 1;

-- A receipt in here is pending.
CREATE TABLE inbox (
    receipt_id INTEGER PRIMARY KEY,
    integration_id INTEGER NOT NULL
);

-- A receipt in here is dealt with. state: 1 processed, 2 ignored, 3 duplicate, 4 rejected, 5 undecodable.
CREATE TABLE receipt_outcome (
    receipt_id INTEGER PRIMARY KEY,
    integration_id INTEGER NOT NULL,
    state INTEGER NOT NULL,
    problem TEXT,
    signals TEXT
);
CREATE INDEX receipt_outcome_by_state ON receipt_outcome (state, receipt_id);
CREATE INDEX receipt_outcome_by_integration ON receipt_outcome (integration_id, state, receipt_id);

CREATE TABLE alert (
    id INTEGER PRIMARY KEY,
    integration_id INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    incident_id INTEGER,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX alert_by_fingerprint ON alert (integration_id, fingerprint);
CREATE INDEX alert_by_incident ON alert (incident_id, id) WHERE incident_id IS NOT NULL;

-- status: 0 open, 1 acknowledged, 2 work_in_progress; from 3 on resolved. severity: 0 info to 4 critical. owner: '' none.
CREATE TABLE incident (
    id INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    status INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    owner TEXT NOT NULL,
    platform TEXT NOT NULL,
    grouping_key TEXT NOT NULL,
    resolved_at INTEGER,
    words_hash INTEGER NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX incident_unresolved ON incident (grouping_key) WHERE status < 3;
CREATE INDEX incident_resolved ON incident (grouping_key, resolved_at) WHERE status >= 3;
CREATE INDEX incident_by_status ON incident (status, id);
CREATE INDEX incident_by_severity ON incident (severity, id);
CREATE INDEX incident_by_owner ON incident (owner, id);
CREATE INDEX incident_by_platform ON incident (platform, id);

CREATE VIRTUAL TABLE incident_text USING fts5 (
    words, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    incident_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX event_by_incident ON event (incident_id, sequence);

-- state: 0 pending, 1 blocked; from 2 on settled: 2 delivered, 3 dead, 4 skipped. The indexes on unsettled and on dead
-- deliveries hold only those, so that they stay as small as what waits.
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    destination_id INTEGER NOT NULL,
    incident_id INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    attempts_forgiven INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER,
    reason TEXT,
    created_at INTEGER NOT NULL,
    settled_at INTEGER
);
CREATE INDEX delivery_pending ON delivery (destination_id, next_attempt_at, id) WHERE state = 0;
CREATE INDEX delivery_order ON delivery (destination_id, incident_id, sequence) WHERE state < 2;
CREATE INDEX delivery_oldest ON delivery (destination_id, created_at) WHERE state < 2;
CREATE INDEX delivery_dead ON delivery (id) WHERE state = 3;
CREATE INDEX delivery_dead_by_destination ON delivery (destination_id, id) WHERE state = 3;
CREATE INDEX delivery_dead_by_age ON delivery (destination_id, created_at, id) WHERE state = 3;
CREATE INDEX delivery_by_destination ON delivery (destination_id, id);
CREATE INDEX delivery_by_incident ON delivery (incident_id, id);

-- Unsettled deliveries of each destination, counted in the transactions that change them.
CREATE TABLE backlog (
    destination_id INTEGER PRIMARY KEY,
    unsettled INTEGER NOT NULL
);

CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX attempt_by_delivery ON attempt (delivery_id, number);
