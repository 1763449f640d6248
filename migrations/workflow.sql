-- Registered workflow definitions, one row per version.

CREATE TABLE workflows (
    key           INTEGER PRIMARY KEY, -- position of the event that registered it
    stream        INTEGER NOT NULL,    -- streams.key
    namespace     TEXT NOT NULL,
    name          TEXT NOT NULL,
    version       TEXT NOT NULL,
    digest        BLOB NOT NULL,
    actor         INTEGER NOT NULL,    -- labels.id
    registered_at INTEGER NOT NULL,
    retired_at    INTEGER,
    tasks         INTEGER NOT NULL,    -- tasks in the document, at all depths
    title         TEXT,
    definition    TEXT NOT NULL,       -- JSON
    UNIQUE (stream, version)
) STRICT;

CREATE INDEX workflows_by_name ON workflows (namespace, name);
