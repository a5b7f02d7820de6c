-- A connected attempt without its outcome must be found at once after a crash, among a million that have theirs.
ALTER TABLE attempt ADD COLUMN awaits_outcome INTEGER NOT NULL DEFAULT 0;
UPDATE attempt SET awaits_outcome = 1
    WHERE result = 'CONNECTED' AND NOT EXISTS (SELECT 1 FROM outcome WHERE outcome.attempt = attempt.id);
CREATE INDEX attempt_awaiting ON attempt (id) WHERE awaits_outcome = 1;

-- When a start closed it for a process that died. A second crash soon after still knows its legs by this.
ALTER TABLE attempt ADD COLUMN recovered_at INTEGER;
CREATE INDEX attempt_recovered ON attempt (recovered_at) WHERE recovered_at IS NOT NULL;

-- A complaint or a hardship case holds a person for days, a death for good (NULL).
ALTER TABLE person_block ADD COLUMN until INTEGER;
CREATE INDEX lead_of_person ON lead (person) WHERE done IS NULL;

-- Every block in the order of its commit, whoever wrote it: a running engine reads on from where it was and stops what rings.
CREATE TABLE block_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    number INTEGER REFERENCES number (id),
    person INTEGER REFERENCES person (id),
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
