-- A recording of a conversation: what it is of, where it lies, what it should digest to. The conversation itself is in a sealed file.
-- No foreign keys: a recording outlives leads and campaigns that are erased or renamed, until its own time is over.
CREATE TABLE recording (
    id TEXT PRIMARY KEY,
    attempt INTEGER NOT NULL,
    agent INTEGER NOT NULL,
    campaign TEXT NOT NULL,
    lead INTEGER NOT NULL,
    began_at INTEGER NOT NULL,
    keep_days INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'closed', 'converted', 'broken', 'erased')),
    file TEXT NOT NULL,
    duration_ms INTEGER,
    announced INTEGER NOT NULL DEFAULT 0,
    chunks INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0,
    paused TEXT NOT NULL DEFAULT '[]',
    key_id TEXT,
    sha256 BLOB,
    octets INTEGER NOT NULL DEFAULT 0,
    closed_at INTEGER,
    converted_at INTEGER,
    erased_at INTEGER,
    note TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_by_time ON recording (began_at);
CREATE INDEX recording_of_attempt ON recording (attempt);
CREATE INDEX recording_to_convert ON recording (closed_at) WHERE state = 'closed';
CREATE INDEX recording_to_close ON recording (began_at) WHERE state = 'live';

-- Who may use the API, and for what. The token is shown once; its hash is kept, also after it was revoked.
CREATE TABLE access_token (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    token_hash BLOB NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('agent', 'supervisor', 'admin')),
    rights TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

-- Who asked for what, about which recording or agent, and whether it was allowed. Ids and names of tokens only: never a person.
-- Each row's chain is a digest over the row and the chain before it: a row that is altered or missing is found.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    target TEXT NOT NULL,
    allowed INTEGER NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    chain BLOB NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
