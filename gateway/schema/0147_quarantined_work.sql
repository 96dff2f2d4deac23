-- Work that failed again and again: it waits for people, who have it tried again or give it up.
CREATE TABLE quarantined_work (
    work_id         TEXT    NOT NULL PRIMARY KEY,
    source          INTEGER NOT NULL,               -- the number of a QuarantineSource
    kind            TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    destination     TEXT    NOT NULL,               -- of an envelope
    failure         TEXT    NOT NULL,
    attempts        INTEGER NOT NULL,
    fail_time       INTEGER NOT NULL,               -- of the first failure
    quarantine_time INTEGER NOT NULL,
    due_time        INTEGER NOT NULL,               -- by which people have to decide
    is_answered     INTEGER NOT NULL,               -- 1 where the destination has acted on an envelope
    state           INTEGER NOT NULL,               -- the number of a QuarantineState
    reference       TEXT    NOT NULL,
    decider         TEXT    NOT NULL,
    decide_time     INTEGER
);
CREATE INDEX quarantined_due ON quarantined_work (due_time, work_id);
CREATE INDEX quarantined_waiting ON quarantined_work (source, kind, destination) WHERE state = 1;
CREATE INDEX quarantined_decided ON quarantined_work (decide_time, work_id) WHERE state <> 1;
