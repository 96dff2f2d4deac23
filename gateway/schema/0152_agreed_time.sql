-- The time of day that a process and others agreed on last. One row: a process that starts compares its clock with it.
CREATE TABLE agreed_time (
    id   INTEGER NOT NULL PRIMARY KEY,
    time INTEGER NOT NULL
);
