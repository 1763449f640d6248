-- How far the rows of this file have come. Written in the transaction of the rows themselves.

CREATE TABLE projection_status (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    checkpoint INTEGER NOT NULL, -- position of the newest event that the rows show
    updated_at INTEGER NOT NULL  -- time of that event, in microseconds since 1970
) STRICT;

INSERT INTO projection_status (id, checkpoint, updated_at) VALUES (1, 0, 0);
