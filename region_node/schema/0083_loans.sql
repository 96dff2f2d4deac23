-- Resources that this region lends.
CREATE TABLE shared_resources (
    resource_id TEXT    NOT NULL PRIMARY KEY,
    kind        INTEGER NOT NULL,
    title       TEXT    NOT NULL,
    site        TEXT    NOT NULL,
    quantity    INTEGER NOT NULL,   -- in the unit of the kind
    start_time  INTEGER NOT NULL,   -- of the time in which it is lent; 0 for no start
    end_time    INTEGER NOT NULL,   -- 0 for no end
    conditions  TEXT    NOT NULL
);

-- What is lent of them: a row from the promise of a loan to the confirmation of its return.
CREATE TABLE resource_bookings (
    loan_id     TEXT    NOT NULL PRIMARY KEY,
    resource_id TEXT    NOT NULL,
    quantity    INTEGER NOT NULL,
    start_time  INTEGER NOT NULL,
    end_time    INTEGER NOT NULL
);
CREATE INDEX resource_bookings_resource ON resource_bookings (resource_id, start_time);

-- Loans that this region requested or decides on. `body` is the loan, sealed under the key of `loan/<id>`; the other columns
-- are for finding it and name nobody.
CREATE TABLE loans (
    loan_id       TEXT    NOT NULL PRIMARY KEY,
    loan_number   INTEGER NOT NULL,   -- counts those that were requested here; 0 for those of others
    origin_region TEXT    NOT NULL,
    owner_region  TEXT    NOT NULL,
    operator      TEXT    NOT NULL,
    number_index  TEXT    NOT NULL,   -- empty: a loan is about no number
    state         INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    create_time   INTEGER NOT NULL,
    due_time      INTEGER NOT NULL,   -- the end of a loan that is in use; the end of time for any other
    changed       INTEGER NOT NULL,   -- when it was stored last
    traceparent   TEXT    NOT NULL,
    body          BLOB    NOT NULL
);
CREATE INDEX loans_date ON loans (create_time, loan_id);
CREATE INDEX loans_due ON loans (due_time, loan_id);
CREATE INDEX loans_requested ON loans (loan_number);

-- The highest number of a loan that was purged, from which the next one is numbered.
CREATE TABLE purged_loans (
    id          INTEGER NOT NULL PRIMARY KEY,
    loan_number INTEGER NOT NULL
);
