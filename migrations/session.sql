-- Conversations, what was said in them, and their state.

CREATE TABLE sessions (
    key           INTEGER PRIMARY KEY, -- streams.key; the id of the session is in streams.name
    status        TEXT NOT NULL,
    channel       TEXT NOT NULL,
    peer          TEXT NOT NULL,
    agent         TEXT NOT NULL,
    account       TEXT NOT NULL,
    started_at    INTEGER NOT NULL,
    active_at     INTEGER NOT NULL,    -- time of its newest event
    ended_at      INTEGER,
    end_reason    TEXT,
    messages      INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_status ON sessions (status);
CREATE INDEX sessions_by_agent ON sessions (agent);

CREATE TABLE messages (
    key           INTEGER PRIMARY KEY, -- position of its event
    session       INTEGER NOT NULL,    -- sessions.key
    direction     TEXT NOT NULL,
    message_id    TEXT,
    at            INTEGER NOT NULL,
    model         TEXT,
    input_tokens  INTEGER,
    output_tokens INTEGER,
    content       TEXT NOT NULL,
    attachments   TEXT                 -- JSON
) STRICT;

CREATE INDEX messages_by_session ON messages (session);

CREATE TABLE session_state (
    session  INTEGER NOT NULL,         -- sessions.key
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,            -- JSON
    position INTEGER NOT NULL,         -- of the event that set it
    at       INTEGER NOT NULL,
    PRIMARY KEY (session, name)
) STRICT, WITHOUT ROWID;
