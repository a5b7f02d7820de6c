-- How an agent is heard: 'browser', 'phone:sip:...', or 'none' for a scripted agent whose calls are silent on purpose.
ALTER TABLE agent ADD COLUMN audio TEXT NOT NULL DEFAULT 'browser';
