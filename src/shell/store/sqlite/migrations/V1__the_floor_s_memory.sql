-- Times are milliseconds since 1970-01-01T00:00:00Z. Codes are those of the records and exports, readable with any client.

CREATE TABLE campaign (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    caller_id TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE trunk (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE zone (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE person (
    id INTEGER PRIMARY KEY,
    cif TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE number (
    id INTEGER PRIMARY KEY,
    e164 TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL DEFAULT 'VALID' CHECK (status IN ('VALID', 'WRONG', 'INVALID')),
    status_at INTEGER
) STRICT;

CREATE TABLE agent (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    token_hash BLOB NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE agent_campaign (
    agent INTEGER NOT NULL REFERENCES agent (id),
    campaign INTEGER NOT NULL REFERENCES campaign (id),
    weight INTEGER NOT NULL CHECK (weight BETWEEN 1 AND 100),
    PRIMARY KEY (agent, campaign)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_skill (
    agent INTEGER NOT NULL REFERENCES agent (id),
    skill TEXT NOT NULL,
    level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 10),
    PRIMARY KEY (agent, skill)
) STRICT, WITHOUT ROWID;

-- Facts are kept apart: a lead's row changes with every attempt, its facts only with an import.
CREATE TABLE lead (
    id INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL REFERENCES campaign (id),
    person INTEGER NOT NULL REFERENCES person (id),
    number INTEGER NOT NULL REFERENCES number (id),
    zone INTEGER NOT NULL REFERENCES zone (id),
    priority INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    callback INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    sticky INTEGER,
    reserved_for INTEGER,
    needs TEXT NOT NULL DEFAULT '',
    done TEXT,
    done_at INTEGER,
    imported_at INTEGER NOT NULL,
    UNIQUE (campaign, person, number)
) STRICT;
-- What is due when little is due; and the order of dialling when much is. `done` stands in them, always NULL, because only then
-- does SQLite answer from the index alone.
CREATE INDEX lead_due ON lead (campaign, not_before, callback, priority, done) WHERE done IS NULL;
CREATE INDEX lead_order ON lead (campaign, callback DESC, priority DESC, not_before, id, done) WHERE done IS NULL;

CREATE TABLE lead_facts (
    lead INTEGER PRIMARY KEY REFERENCES lead (id),
    facts TEXT NOT NULL
) STRICT;

-- `result` is NULL while the attempt is in the air: what a crash leaves behind.
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL REFERENCES campaign (id),
    lead INTEGER NOT NULL REFERENCES lead (id),
    person INTEGER NOT NULL REFERENCES person (id),
    number INTEGER NOT NULL REFERENCES number (id),
    trunk INTEGER NOT NULL REFERENCES trunk (id),
    route_tries INTEGER NOT NULL DEFAULT 1,
    decided_at INTEGER NOT NULL,
    released_at INTEGER,
    rang_at INTEGER,
    answered_at INTEGER,
    matched_at INTEGER,
    ended_at INTEGER,
    ring_ms INTEGER,
    talk_ms INTEGER,
    result TEXT,
    counts INTEGER,
    wire_status INTEGER,
    wire_cause INTEGER,
    agent INTEGER
) STRICT;
CREATE INDEX attempt_in_air ON attempt (id) WHERE result IS NULL;
CREATE INDEX attempt_of_person ON attempt (person, decided_at) WHERE counts = 1;

CREATE TABLE route_try (
    attempt INTEGER NOT NULL REFERENCES attempt (id),
    n INTEGER NOT NULL,
    trunk INTEGER NOT NULL REFERENCES trunk (id),
    call_id TEXT NOT NULL,
    from_tag TEXT NOT NULL,
    branch TEXT NOT NULL,
    cseq INTEGER NOT NULL DEFAULT 1,
    remote_tag TEXT,
    remote_target TEXT,
    route_set TEXT,
    PRIMARY KEY (attempt, n)
) STRICT, WITHOUT ROWID;

-- `agent` is NULL only where the system spoke for a call whose agent is not known any more.
CREATE TABLE outcome (
    attempt INTEGER PRIMARY KEY REFERENCES attempt (id),
    agent INTEGER,
    code TEXT NOT NULL,
    at INTEGER NOT NULL,
    by_system INTEGER NOT NULL DEFAULT 0,
    note TEXT,
    reason TEXT,
    amount INTEGER,
    follow_up INTEGER,
    cooperation TEXT
) STRICT;

CREATE TABLE promise (
    id INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL UNIQUE REFERENCES attempt (id),
    lead INTEGER NOT NULL REFERENCES lead (id),
    person INTEGER NOT NULL REFERENCES person (id),
    amount INTEGER NOT NULL,
    due TEXT NOT NULL,
    method TEXT,
    state TEXT NOT NULL DEFAULT 'OPEN'
        CHECK (state IN ('OPEN', 'KEPT', 'PARTIAL', 'BROKEN', 'CANCELLED', 'RESCHEDULED')),
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX promise_of_lead ON promise (lead) WHERE state = 'OPEN';

CREATE TABLE dnc (
    e164 TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE person_block (
    person INTEGER PRIMARY KEY REFERENCES person (id),
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
