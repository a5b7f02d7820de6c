-- Who called whom, and when a message of ours told that nobody was free.
ALTER TABLE attempt ADD COLUMN direction TEXT NOT NULL DEFAULT 'OUT' CHECK (direction IN ('OUT', 'IN'));
ALTER TABLE attempt ADD COLUMN announced_at INTEGER;

-- Why somebody is to be called back: 'CALLED_IN', nobody could take their call; NULL, as an agent agreed with them.
ALTER TABLE lead ADD COLUMN callback_source TEXT;

-- A caller is found by the number.
CREATE INDEX lead_of_number ON lead (number);
