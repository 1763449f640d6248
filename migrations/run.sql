-- Runs of workflows and the tasks they executed.

CREATE TABLE runs (
    key               INTEGER PRIMARY KEY, -- streams.key; the id of the run is in streams.name
    status            TEXT NOT NULL,
    namespace         TEXT NOT NULL,
    name              TEXT NOT NULL,
    version           TEXT NOT NULL,
    digest            BLOB NOT NULL,
    inline            INTEGER NOT NULL,    -- 1 when the definition was given with the run
    actor             INTEGER NOT NULL,    -- labels.id
    parent            BLOB,                -- id of the run that waits for this one
    parent_task       INTEGER,
    parent_close      TEXT,                -- what becomes of it when nobody waits for it any more
    started_at        INTEGER NOT NULL,
    deadline          INTEGER,
    ended_at          INTEGER,
    tasks             INTEGER NOT NULL,    -- how many task rows it has
    -- Most runs leave these empty.
    priority          INTEGER NOT NULL DEFAULT 0,
    concurrency_key   TEXT,
    concurrency_limit INTEGER,
    not_before        INTEGER,
    schedule          TEXT,                -- namespace/name of the schedule that started it
    schedule_due      INTEGER,
    forked_from       BLOB,                -- id of the run it was forked from
    fork_version      INTEGER,             -- newest event of that run that both have in common
    forked            INTEGER,             -- position of the event that ended the copy; NULL while it is copied
    -- What people did to it.
    retries           INTEGER NOT NULL DEFAULT 0,
    paused            INTEGER,             -- while it is paused: position of the event that paused it
    paused_at         INTEGER,
    pause_reason      TEXT,
    cancel_at         INTEGER,
    cancel_reason     TEXT,
    cancel_kill       INTEGER,
    labels            TEXT,                -- JSON
    input             TEXT NOT NULL,       -- JSON
    output            TEXT,                -- JSON
    error             TEXT,                -- JSON
    before_error      TEXT                 -- JSON; its open tasks before the error, for a retry
) STRICT;

CREATE INDEX runs_by_status ON runs (status);
CREATE INDEX runs_by_workflow ON runs (namespace, name);
-- For those who may not look everywhere.
CREATE INDEX runs_by_namespace ON runs (namespace);
CREATE INDEX runs_by_start ON runs (started_at);
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX runs_by_fork ON runs (forked_from) WHERE forked_from IS NOT NULL;
CREATE INDEX runs_by_concurrency ON runs (concurrency_key, status) WHERE concurrency_key IS NOT NULL;
CREATE INDEX runs_by_schedule ON runs (schedule) WHERE schedule IS NOT NULL;
CREATE INDEX runs_paused ON runs (paused) WHERE paused IS NOT NULL;

-- Kept beside the runs, because counting them costs a walk over all.
CREATE TABLE run_counts (
    status    TEXT NOT NULL,
    namespace INTEGER NOT NULL, -- as in streams
    runs      INTEGER NOT NULL,
    PRIMARY KEY (status, namespace)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_labels (
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    run   INTEGER NOT NULL, -- runs.key
    PRIMARY KEY (name, value, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    key          INTEGER PRIMARY KEY, -- position of the event that started or skipped it
    run          INTEGER NOT NULL,    -- runs.key
    task         INTEGER NOT NULL,    -- ordinal in the run
    parent       INTEGER,             -- ordinal of the task it belongs to
    kind         TEXT NOT NULL,
    status       TEXT NOT NULL,
    effect       TEXT,                -- what is known of its effect; NULL when it has none
    effect_kind  TEXT,
    effect_class TEXT,
    effect_key   TEXT,
    keeps        INTEGER NOT NULL,    -- what a retry does not do again: 0 nothing, 1 its parts, 2 what it was to do
    iteration    INTEGER,
    attempt      INTEGER NOT NULL,
    retries      INTEGER NOT NULL,    -- of a try: how often its tasks were started again
    dispatches   INTEGER NOT NULL,    -- of an effect: how often it was dispatched
    consumed     INTEGER NOT NULL,    -- of a listen: how many events it has taken in
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    since        INTEGER,             -- when it began to wait as it does; NULL if that was when it started
    due          INTEGER,             -- until when it waits at most
    deadline     INTEGER,
    name         TEXT NOT NULL,
    path         TEXT NOT NULL,       -- names above it and its own, with iterations: /loop[3]/step
    reference    TEXT NOT NULL,
    detail       TEXT,                -- JSON; the events, the run or the approval that it waits for
    input        TEXT,                -- JSON
    output       TEXT,                -- JSON
    error        TEXT,                -- JSON
    UNIQUE (run, task)
) STRICT;

-- Nearly all tasks are completed; those that are not are looked for.
CREATE INDEX tasks_by_status ON tasks (status) WHERE status <> 'completed';
CREATE INDEX tasks_by_effect ON tasks (effect) WHERE effect IS NOT NULL AND effect <> 'succeeded';

-- Failed attempts of a try.
CREATE TABLE attempts (
    key       INTEGER PRIMARY KEY, -- position of the event that tells of it
    task      INTEGER NOT NULL,    -- tasks.key
    attempt   INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    next      INTEGER,             -- when the next one starts; NULL if there is none
    error     TEXT NOT NULL        -- JSON
) STRICT;

CREATE INDEX attempts_by_task ON attempts (task);
