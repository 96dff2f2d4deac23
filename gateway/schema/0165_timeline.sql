-- The place of this database in its history, one row at most. A restored database goes on in another timeline.
CREATE TABLE database_timeline (
    id           INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    timeline     TEXT    NOT NULL,                  -- random; another one after a change beside the archive of commits
    commits      INTEGER NOT NULL,                  -- of this timeline
    audit_rows   INTEGER NOT NULL,                  -- after the last of them
    restore_time INTEGER                            -- at which this database was made of a backup
);
