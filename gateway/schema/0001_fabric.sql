-- Instants are whole microseconds since 1970-01-01 UTC.

-- Envelopes of this region, from the commit of what caused them until their receipt is in.
CREATE TABLE outbox (
    envelope_id       TEXT    NOT NULL PRIMARY KEY,
    destination       TEXT    NOT NULL,
    kind              INTEGER NOT NULL,
    subject           TEXT    NOT NULL,
    content           BLOB    NOT NULL,
    signature         BLOB    NOT NULL,
    traceparent       TEXT    NOT NULL,
    created           INTEGER NOT NULL,
    attempts          INTEGER NOT NULL DEFAULT 0,
    closed            INTEGER,             -- when the receipt was committed, or the envelope dropped unsent
    receipt_content   BLOB,
    receipt_signature BLOB,
    journey           BLOB,
    claimed_by        INTEGER NOT NULL,    -- the number of the process that is to send it
    handed_over       INTEGER NOT NULL     -- 1 until that process has taken over what another one left to it
);
CREATE INDEX outbox_subject ON outbox (subject);
CREATE INDEX outbox_claimed ON outbox (claimed_by, created, envelope_id) WHERE closed IS NULL;

-- The processes that work on this database. One that falls silent loses what it has claimed.
CREATE TABLE processes (
    number INTEGER NOT NULL PRIMARY KEY,
    beats  INTEGER NOT NULL                -- grows while the process lives
);

-- Commands of other regions: the executed bytes, and the one answer that they get for ever.
CREATE TABLE inbox (
    origin            TEXT    NOT NULL,
    envelope_id       TEXT    NOT NULL,
    subject           TEXT    NOT NULL,
    content           BLOB    NOT NULL,
    signature         BLOB    NOT NULL,
    receipt_content   BLOB    NOT NULL,
    receipt_signature BLOB    NOT NULL,
    received          INTEGER NOT NULL,
    PRIMARY KEY (origin, envelope_id)
);

-- What is to happen at a time of day. A row is removed in the transaction that does it.
CREATE TABLE timers (
    timer_id TEXT    NOT NULL PRIMARY KEY,
    kind     TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    due      INTEGER NOT NULL
);
CREATE INDEX timers_due ON timers (due);

-- Who did what: each row's hash covers the row before it.
CREATE TABLE audit (
    sequence INTEGER NOT NULL PRIMARY KEY,
    time     INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    hash     BLOB    NOT NULL
);
