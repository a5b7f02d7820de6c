-- Details of RPC_PAID (when and how it was paid) and of RPC_PARTIAL_PLAN (its instalments, JSON [{"due","amount"}]).
ALTER TABLE outcome ADD COLUMN paid_at TEXT;
ALTER TABLE outcome ADD COLUMN paid_method TEXT;
ALTER TABLE outcome ADD COLUMN schedule TEXT;
