-- The configuration in force at each other region, by its last statement; times are in microseconds since 1970.
CREATE TABLE told_revisions (
    region   TEXT    NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    digest   BLOB    NOT NULL,             -- SHA-256 of the configuration; empty where no signatures are verified
    told     INTEGER NOT NULL,             -- when this region received the statement
    since    INTEGER NOT NULL,             -- when the present dispute began; 0 for none
    split    INTEGER NOT NULL,             -- the highest revision whose contradiction was raised; 0 for none
    withheld INTEGER NOT NULL              -- the last revision that was raised as withheld; 0 for none
);
