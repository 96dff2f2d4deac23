-- The instant from which other regions tell again what the database lacks, in microseconds since 1970; NULL for a loss that
-- a former version has found.
ALTER TABLE losses ADD COLUMN catch_up_from INTEGER;

-- How far each region has told again what the database lacks after a loss.
CREATE TABLE catch_ups (
    loss           INTEGER NOT NULL,
    region         TEXT    NOT NULL,
    place          TEXT    NOT NULL, -- behind which its next answer goes on; empty at first
    taken          INTEGER NOT NULL, -- commands that were lost and are known again
    purged_before  INTEGER NOT NULL, -- the region keeps nothing of before this instant; 0 where it keeps all
    failure        TEXT    NOT NULL, -- a reason that no waiting ends: its new commands are taken; empty for none
    finish_time    INTEGER,          -- when all was told; NULL before
    PRIMARY KEY (loss, region)
);

-- Commands that were lost and could not be done as before: they are for people.
CREATE TABLE lost_commands (
    loss        INTEGER NOT NULL,
    region      TEXT    NOT NULL, -- which has told it
    origin      TEXT    NOT NULL,
    envelope_id TEXT    NOT NULL,
    kind        INTEGER NOT NULL,
    subject     TEXT    NOT NULL,
    failure     TEXT    NOT NULL, -- the name of a reason
    tell_time   INTEGER NOT NULL,
    PRIMARY KEY (loss, region, origin, envelope_id)
);
