-- What a region does about the causes of complaints. `body` is what is to be done and what was, in people's words, sealed
-- under the key of `improvement/<action_id>`; the other columns tell of no customer.
CREATE TABLE improvement_actions (
    action_id     TEXT    NOT NULL PRIMARY KEY,
    action_number INTEGER NOT NULL,
    docket        TEXT    NOT NULL,   -- of the complaint that it was recorded for
    category      TEXT    NOT NULL,
    cause_code    TEXT    NOT NULL,
    owner         TEXT    NOT NULL,   -- a staff id, or the code of a department
    due_date      TEXT    NOT NULL,   -- YYYY-MM-DD in the region
    author        TEXT    NOT NULL,
    create_time   INTEGER NOT NULL,
    finisher      TEXT    NOT NULL,   -- empty while it is open
    finish_time   INTEGER,
    repeats       INTEGER NOT NULL,
    last_repeat   TEXT    NOT NULL,
    ineffective   INTEGER NOT NULL,
    body          BLOB    NOT NULL
);
CREATE INDEX improvement_actions_number ON improvement_actions (action_number);
CREATE INDEX improvement_actions_cause ON improvement_actions (category, cause_code);
