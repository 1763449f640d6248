-- Decisions of people.

CREATE TABLE approvals (
    key          INTEGER PRIMARY KEY, -- streams.key; the id of the approval is in streams.name
    state        TEXT NOT NULL,
    run          BLOB NOT NULL,       -- id of the run that waits for it
    task         INTEGER NOT NULL,
    round        INTEGER NOT NULL,    -- how often it was asked; votes of earlier rounds are void
    title        TEXT NOT NULL,
    digest       BLOB NOT NULL,
    quorum       INTEGER NOT NULL,
    votes        INTEGER NOT NULL,    -- of this round
    escalated    INTEGER NOT NULL,
    due          INTEGER,
    requested_at INTEGER NOT NULL,
    ended_at     INTEGER,
    choice       TEXT,
    how          TEXT,
    reason       TEXT,                -- why it was voided
    choices      TEXT NOT NULL,       -- JSON
    deadline     TEXT,                -- JSON; what happens when the time is over
    details      TEXT,                -- JSON
    subject      TEXT,                -- JSON
    answer       TEXT                 -- JSON
) STRICT;

CREATE INDEX approvals_by_state ON approvals (state);
CREATE INDEX approvals_by_run ON approvals (run);

-- Who may decide, by person or by role; or anybody.
CREATE TABLE approval_deciders (
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    approval INTEGER NOT NULL, -- approvals.key
    round    INTEGER NOT NULL,
    PRIMARY KEY (kind, name, approval, round)
) STRICT, WITHOUT ROWID;

CREATE INDEX approval_deciders_by_approval ON approval_deciders (approval);

CREATE TABLE approval_votes (
    key      INTEGER PRIMARY KEY, -- position of the event
    approval INTEGER NOT NULL,    -- approvals.key
    round    INTEGER NOT NULL,
    voter    TEXT NOT NULL,
    choice   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    comment  TEXT,
    answer   TEXT                 -- JSON
) STRICT;

CREATE INDEX approval_votes_by_approval ON approval_votes (approval);
