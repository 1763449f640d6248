-- CloudEvents that somebody outside published or that runs emitted.

CREATE TABLE published_events (
    key    INTEGER PRIMARY KEY, -- position of the event that tells of it
    at     INTEGER NOT NULL,
    actor  INTEGER NOT NULL,    -- labels.id
    run    INTEGER,             -- runs.key of the run that emitted it
    task   INTEGER,
    type   TEXT NOT NULL,
    source TEXT NOT NULL,
    id     TEXT NOT NULL,
    event  TEXT NOT NULL        -- JSON
) STRICT;

CREATE INDEX published_events_by_type ON published_events (type);
CREATE INDEX published_events_by_run ON published_events (run) WHERE run IS NOT NULL;
