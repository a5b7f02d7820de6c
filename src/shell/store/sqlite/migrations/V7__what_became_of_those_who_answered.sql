-- The abandon ledgers: answered calls by campaign and minute since 1970-01-01T00:00:00Z, by what became of them. Written when it is
-- clear, not when the call ends; a start sums its windows up from here, without a look at the attempts.
CREATE TABLE ledger (
    campaign INTEGER NOT NULL REFERENCES campaign (id),
    minute INTEGER NOT NULL,
    served INTEGER NOT NULL DEFAULT 0,
    abandoned INTEGER NOT NULL DEFAULT 0,
    left_early INTEGER NOT NULL DEFAULT 0,
    machines INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (campaign, minute)
) STRICT, WITHOUT ROWID;

-- What was answered before this table came, by the limit of that time, two seconds. One look at every attempt, once.
INSERT INTO ledger (campaign, minute, served, abandoned, left_early, machines)
    SELECT campaign, answered_at / 60000,
        sum(result = 'CONNECTED' AND coalesce(matched_at, ended_at, answered_at) - answered_at <= 2000),
        sum(result = 'ABANDONED'
            OR (result = 'CONNECTED' AND coalesce(matched_at, ended_at, answered_at) - answered_at > 2000)
            OR (result = 'CUST_HANGUP_EARLY' AND coalesce(ended_at, answered_at) - answered_at > 2000)
            OR result = 'CANCELLED'),
        sum(result = 'CUST_HANGUP_EARLY' AND coalesce(ended_at, answered_at) - answered_at <= 2000),
        sum(result = 'MACHINE')
    FROM attempt
    WHERE answered_at IS NOT NULL AND result IN ('CONNECTED', 'ABANDONED', 'CUST_HANGUP_EARLY', 'CANCELLED', 'MACHINE')
    GROUP BY campaign, answered_at / 60000;
