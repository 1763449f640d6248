-- Runs of workflows and the tasks they executed.

CREATE TABLE runs (
    key         INTEGER PRIMARY KEY,   -- streams.key; the id of the run is in streams.name
    status      TEXT NOT NULL,
    namespace   TEXT NOT NULL,
    name        TEXT NOT NULL,
    version     TEXT NOT NULL,
    digest      BLOB NOT NULL,
    inline      INTEGER NOT NULL,      -- 1 when the definition was given with the run
    actor       INTEGER NOT NULL,      -- labels.id
    parent      BLOB,                  -- id of the run that waits for this one
    parent_task INTEGER,
    started_at  INTEGER NOT NULL,
    deadline    INTEGER,
    ended_at    INTEGER,
    tasks       INTEGER NOT NULL,      -- how many task rows it has
    input       TEXT NOT NULL,         -- JSON
    output      TEXT,                  -- JSON
    error       TEXT                   -- JSON
) STRICT;

CREATE INDEX runs_by_status ON runs (status);
CREATE INDEX runs_by_workflow ON runs (namespace, name);
CREATE INDEX runs_by_start ON runs (started_at);
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;

-- Kept beside the runs, because counting them costs a walk over all.
CREATE TABLE run_counts (
    status TEXT PRIMARY KEY,
    runs   INTEGER NOT NULL
) STRICT;

CREATE TABLE tasks (
    key        INTEGER PRIMARY KEY, -- position of the event that started or skipped it
    run        INTEGER NOT NULL,    -- runs.key
    task       INTEGER NOT NULL,    -- ordinal in the run
    parent     INTEGER,             -- ordinal of the task it belongs to
    kind       TEXT NOT NULL,
    effect     INTEGER NOT NULL,    -- 1 when it acts on the world
    status     TEXT NOT NULL,
    iteration  INTEGER,
    attempt    INTEGER NOT NULL,
    retries    INTEGER NOT NULL,    -- of a try: how often its tasks were started again
    dispatches INTEGER NOT NULL,    -- of an effect: how often it was dispatched
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    due        INTEGER,             -- while it waits: until when
    deadline   INTEGER,
    name       TEXT NOT NULL,
    reference  TEXT NOT NULL,
    input      TEXT,                -- JSON
    output     TEXT,                -- JSON
    error      TEXT,                -- JSON
    UNIQUE (run, task)
) STRICT;

-- Nearly all tasks are completed; those that are not are looked for.
CREATE INDEX tasks_by_status ON tasks (status) WHERE status <> 'completed';
