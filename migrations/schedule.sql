-- Schedules of workflows, one row per namespace/name.

CREATE TABLE schedules (
    key          INTEGER PRIMARY KEY, -- streams.key
    namespace    TEXT NOT NULL,
    name         TEXT NOT NULL,
    active       INTEGER NOT NULL,
    version      TEXT NOT NULL,       -- of the workflow
    digest       BLOB NOT NULL,
    overlap      TEXT NOT NULL,
    missed       TEXT NOT NULL,
    activated_at INTEGER NOT NULL,
    paused_at    INTEGER,
    pause_reason TEXT,
    last_due     INTEGER,             -- when the newest tick was due; NULL when events triggered it
    last_at      INTEGER,             -- when it happened
    last_run     BLOB,                -- id of the newest run
    last_skipped TEXT,                -- why the newest tick started nothing
    runs         INTEGER NOT NULL,
    skipped      INTEGER NOT NULL,
    timetable    TEXT NOT NULL,       -- JSON
    interests    TEXT,                -- JSON; what events are waited for
    input        TEXT,                -- JSON
    UNIQUE (namespace, name)
) STRICT;
