-- How other regions' customers stand who are not active, as their home regions have told: 2 their data is stored and
-- nothing else, 3 it is erased.
CREATE TABLE told_standings (
    number_index TEXT    NOT NULL,
    region       TEXT    NOT NULL,   -- which said so
    standing     INTEGER NOT NULL,
    PRIMARY KEY (number_index, region)
);
