-- Issues that this region opened, owns or helps with. `body` is the issue, sealed under the key of `issue/<id>`; the other
-- columns are for finding it and name nobody.
CREATE TABLE issues (
    issue_id      TEXT    NOT NULL PRIMARY KEY,
    issue_number  INTEGER NOT NULL,   -- counts those that were opened here; 0 for those of others
    origin_region TEXT    NOT NULL,
    owner_region  TEXT    NOT NULL,
    operator      TEXT    NOT NULL,
    number_index  TEXT    NOT NULL,   -- empty: an issue is about no number
    state         INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    create_time   INTEGER NOT NULL,
    due_time      INTEGER NOT NULL,   -- the next due time of an open issue; the end of time for any other
    open_actions  INTEGER NOT NULL,
    escalations   INTEGER NOT NULL,
    changed       INTEGER NOT NULL,   -- when it was stored last
    traceparent   TEXT    NOT NULL,
    body          BLOB    NOT NULL
);
CREATE INDEX issues_date ON issues (create_time, issue_id);
CREATE INDEX issues_due ON issues (due_time, issue_id);
CREATE INDEX issues_opened ON issues (issue_number);

-- The highest number of an issue that was purged, from which the next one is numbered.
CREATE TABLE purged_issues (
    id           INTEGER NOT NULL PRIMARY KEY,
    issue_number INTEGER NOT NULL
);
