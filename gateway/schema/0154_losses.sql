-- What this database has lost: others had seen more of its audit chain than it has, as after a fail-over that lost commits,
-- or with an older database put back. Instants are in microseconds since 1970.
CREATE TABLE losses (
    number         INTEGER NOT NULL PRIMARY KEY,
    find_time      INTEGER NOT NULL,
    witness        TEXT    NOT NULL, -- who had seen more: `coordinator`, `region/<id>` or `process/<number>`
    last_sequence  INTEGER NOT NULL, -- the last row of the audit chain that was left
    seen_sequence  INTEGER NOT NULL, -- the furthest row that others had seen
    commits        INTEGER NOT NULL, -- commits that processes had made since, and know of
    begin_sequence INTEGER NOT NULL, -- the row with which the chain goes on: the incarnation of the database
    accept_time    INTEGER,          -- when a person accepted it; NULL while nothing is served
    actor          TEXT    NOT NULL, -- who accepted it; empty before
    reference      TEXT    NOT NULL  -- the file that says why
);
