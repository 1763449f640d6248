-- Index of the log: where each event stands, what it is, by whom. The data itself stays in the log.

-- The key of a stream, and of whatever the stream is about, is the position of its first event.
CREATE TABLE streams (
    key           INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE, -- kind/name
    version       INTEGER NOT NULL,     -- version of its newest event
    last_position INTEGER NOT NULL,     -- position of that event
    namespace     INTEGER NOT NULL      -- labels.id; 0 for what belongs to the server as a whole
) STRICT;

-- Event types, actors and namespaces: few, and named by every event.
CREATE TABLE labels (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE events (
    position    INTEGER PRIMARY KEY,
    stream      INTEGER NOT NULL, -- streams.key
    version     INTEGER NOT NULL,
    type        INTEGER NOT NULL, -- labels.id
    schema      INTEGER NOT NULL,
    at          INTEGER NOT NULL, -- microseconds since 1970
    actor       INTEGER NOT NULL, -- labels.id
    id          BLOB NOT NULL,
    command     BLOB NOT NULL,
    causation   BLOB,
    correlation BLOB
) STRICT;

CREATE INDEX events_by_stream ON events (stream);
CREATE INDEX events_by_type ON events (type);
CREATE INDEX events_by_actor ON events (actor);
CREATE INDEX events_by_correlation ON events (correlation) WHERE correlation IS NOT NULL;

CREATE TABLE event_minutes (
    minute    INTEGER NOT NULL, -- minutes since 1970
    namespace INTEGER NOT NULL, -- as in streams
    events    INTEGER NOT NULL,
    PRIMARY KEY (minute, namespace)
) STRICT, WITHOUT ROWID;
