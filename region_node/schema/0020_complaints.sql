-- Complaints of which this region is the first contact or the responsible one. `body` is the complaint, sealed under the
-- key of `complaint/<docket>`; the other columns are for finding it and tell nothing about a person.
CREATE TABLE complaints (
    docket          TEXT    NOT NULL PRIMARY KEY,
    docket_number   INTEGER NOT NULL,   -- counts those that this region took in; 0 for those of others
    handling_region TEXT    NOT NULL,
    owner_region    TEXT    NOT NULL,
    operator        TEXT    NOT NULL,
    category        TEXT    NOT NULL,
    number_index    TEXT    NOT NULL,   -- keyed hash of the number
    severity        INTEGER NOT NULL,
    state           INTEGER NOT NULL,
    level           INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    creation_date   INTEGER NOT NULL,
    due             INTEGER,            -- of the resolution; NULL once nothing is due
    traceparent     TEXT    NOT NULL,
    body            BLOB    NOT NULL
);
CREATE INDEX complaints_date ON complaints (creation_date, docket);
CREATE INDEX complaints_number ON complaints (number_index, category, creation_date);
CREATE INDEX complaints_taken_in ON complaints (docket_number);
CREATE INDEX complaints_due ON complaints (due, docket) WHERE due IS NOT NULL;

-- Every change of a complaint, in the order of commits.
CREATE TABLE complaint_events (
    sequence INTEGER NOT NULL PRIMARY KEY,
    docket   TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    level    INTEGER NOT NULL,
    time     INTEGER NOT NULL
);

-- Each level that this region has raised a complaint to: once.
CREATE TABLE complaint_escalations (
    docket  TEXT    NOT NULL,
    level   INTEGER NOT NULL,
    trigger_code INTEGER NOT NULL,
    due     INTEGER NOT NULL,
    time    INTEGER NOT NULL,
    PRIMARY KEY (docket, level)
);
