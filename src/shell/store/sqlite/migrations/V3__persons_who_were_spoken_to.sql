-- What a person said holds for all leads of theirs, also for those that are lent now or imported later: nothing is dialled before
-- this time but the call that the person asked for. Persons spoken to before this column came are not held by it.
ALTER TABLE person ADD COLUMN quiet_until INTEGER NOT NULL DEFAULT 0;
