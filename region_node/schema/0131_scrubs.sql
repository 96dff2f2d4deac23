-- The times at which nothing of destroyed keys and removed indexes was left in the files of this database.
CREATE TABLE scrubs (
    number     INTEGER NOT NULL PRIMARY KEY,   -- from 1
    begin_time INTEGER,                        -- NULL while destructions still count for this one
    since      TEXT    NOT NULL,               -- of the engine, for the next attempt
    end_time   INTEGER                         -- NULL until nothing is left
);
CREATE INDEX scrubs_due ON scrubs (number) WHERE end_time IS NULL;

-- The first of them that counts for an erasure; 0 for one of an earlier version, for which any of them does.
ALTER TABLE erasures ADD COLUMN scrub INTEGER NOT NULL DEFAULT 0;
