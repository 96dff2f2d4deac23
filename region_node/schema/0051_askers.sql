-- What other regions ask about codes and passwords counts for each asker by itself. `number` is the index of a number,
-- of a customer or of nobody: both are answered alike. The tables of before are written by nodes of before alone.
DELETE FROM codes;
DELETE FROM verification_failures;
DELETE FROM verification_standing;

-- The code of a number that a region has asked for: `sent` is when. Of a number of nobody it was sent to nobody.
CREATE TABLE asked_codes (
    number      TEXT    NOT NULL,
    region      TEXT    NOT NULL,
    subject     TEXT    NOT NULL,   -- the request that it is for
    keyed_hash  BLOB    NOT NULL,
    expire_time INTEGER NOT NULL,
    sent        INTEGER NOT NULL,
    PRIMARY KEY (number, region)
);
CREATE INDEX asked_codes_expired ON asked_codes (expire_time, number, region);

-- Each wrong code or password that an operator of a region has said.
CREATE TABLE wrong_answers (
    number   TEXT    NOT NULL,
    region   TEXT    NOT NULL,
    operator TEXT    NOT NULL,
    time     INTEGER NOT NULL,
    PRIMARY KEY (number, region, operator, time)
);
CREATE INDEX wrong_answers_time ON wrong_answers (time, number, region, operator);

-- Until when an operator of a region is told nothing of a number; all of the region where the operator is empty.
CREATE TABLE verification_locks (
    number       TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    operator     TEXT    NOT NULL,
    locked_until INTEGER NOT NULL,
    PRIMARY KEY (number, region, operator)
);
CREATE INDEX verification_locks_time ON verification_locks (locked_until);

-- How many codes an asker, `region/<region>` or an operator of it, has asked for in a minute.
CREATE TABLE code_rates (
    asker  TEXT    NOT NULL,
    minute INTEGER NOT NULL,
    codes  INTEGER NOT NULL,
    PRIMARY KEY (asker, minute)
);
CREATE INDEX code_rates_minute ON code_rates (minute);
