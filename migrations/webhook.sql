-- Receivers of events outside, and what could not be delivered to them.

CREATE TABLE webhooks (
    key           INTEGER PRIMARY KEY, -- streams.key; the name is in streams.name
    actor         INTEGER NOT NULL,    -- labels.id
    registered_at INTEGER NOT NULL,
    removed_at    INTEGER,
    through       INTEGER NOT NULL,    -- every event up to here is done with
    delivered     INTEGER NOT NULL,
    dead          INTEGER NOT NULL,    -- open dead letters
    secret        TEXT NOT NULL,       -- handle
    url           TEXT NOT NULL,
    types         TEXT NOT NULL,       -- JSON
    headers       TEXT NOT NULL        -- JSON
) STRICT;

CREATE TABLE dead_letters (
    key         INTEGER PRIMARY KEY, -- position of the event that put it into the list
    webhook     INTEGER NOT NULL,    -- webhooks.key
    position    INTEGER NOT NULL,    -- of the event that it was made of
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    since       INTEGER NOT NULL,    -- when it was tried first
    died_at     INTEGER NOT NULL,    -- when it was given up last
    redriven_at INTEGER,
    closed_at   INTEGER,
    error       TEXT NOT NULL,
    event       TEXT NOT NULL        -- JSON
) STRICT;

CREATE INDEX dead_letters_by_webhook ON dead_letters (webhook, state);
