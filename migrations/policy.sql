-- Tool policies, and what they said about the effects of runs.

CREATE TABLE policies (
    key        INTEGER PRIMARY KEY, -- streams.key; the namespace is in streams.name
    version    INTEGER NOT NULL,
    digest     BLOB NOT NULL,
    actor      INTEGER NOT NULL,    -- labels.id; who changed it last
    changed_at INTEGER NOT NULL,
    removed_at INTEGER,
    document   TEXT NOT NULL        -- JSON
) STRICT;

CREATE TABLE decisions (
    key     INTEGER PRIMARY KEY, -- position of the event that it stands in
    run     INTEGER NOT NULL,    -- streams.key
    task    INTEGER NOT NULL,    -- tasks.key
    at      INTEGER NOT NULL,
    version INTEGER NOT NULL,
    action  TEXT NOT NULL,
    tool    TEXT NOT NULL,
    policy  TEXT NOT NULL,       -- namespace of the policy that decided
    rule    TEXT,                -- none for its default
    labels  TEXT NOT NULL        -- JSON
) STRICT;

CREATE INDEX decisions_by_task ON decisions (task);
CREATE INDEX decisions_by_run ON decisions (run);
CREATE INDEX decisions_by_action ON decisions (action);
