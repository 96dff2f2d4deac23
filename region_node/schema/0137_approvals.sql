-- Acts of this region that two people agree to. Times are microseconds.
CREATE TABLE approvals (
    approval_id  TEXT    NOT NULL PRIMARY KEY,
    act          INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    content      TEXT    NOT NULL,   -- keyed hash of caller, act and all that it is about
    number       TEXT    NOT NULL,   -- index of the number of a reading, else empty
    customer_id  TEXT    NOT NULL,   -- of an own customer, else empty
    purpose      TEXT    NOT NULL,
    reference    TEXT    NOT NULL,
    reason       INTEGER NOT NULL,
    caller       TEXT    NOT NULL,
    proposer     TEXT    NOT NULL,
    propose_time INTEGER NOT NULL,
    expire_time  INTEGER NOT NULL,
    decider      TEXT    NOT NULL,
    decide_time  INTEGER
);
CREATE INDEX approvals_content ON approvals (content);
CREATE INDEX approvals_listed ON approvals (propose_time, approval_id);
CREATE INDEX approvals_undecided ON approvals (propose_time, approval_id) WHERE state = 1;
CREATE INDEX approvals_expired ON approvals (expire_time);
CREATE INDEX approvals_number ON approvals (number) WHERE number <> '';
CREATE INDEX approvals_customer ON approvals (customer_id) WHERE customer_id <> '';

-- How often another region has read customers of this one by legal duty, and how often it was denied for the limit of a
-- day: by the day in the time zone of this region.
CREATE TABLE duty_readings (
    day      TEXT    NOT NULL,   -- YYYY-MM-DD
    region   TEXT    NOT NULL,
    readings INTEGER NOT NULL,
    denied   INTEGER NOT NULL,
    PRIMARY KEY (day, region)
);
