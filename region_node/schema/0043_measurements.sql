-- What systems have measured on the network. It tells of links and services, and of nobody.
-- How far each stream of a system is: `<what> <operator> <source>`.
CREATE TABLE network_streams (
    stream TEXT NOT NULL PRIMARY KEY,
    last_sequence INTEGER NOT NULL,
    time INTEGER NOT NULL
);
-- Measurements as they came, a piece of a stream in a row, compressed.
CREATE TABLE measurement_pieces (
    stream TEXT NOT NULL,
    first_sequence INTEGER NOT NULL,
    measurements INTEGER NOT NULL,
    end_time INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (stream, first_sequence)
);
CREATE INDEX measurement_pieces_end ON measurement_pieces (end_time);
-- What they come to by hour and object, and of hours that are not kept by day. `period` is `<object> <start>`.
CREATE TABLE measurement_hours (
    period TEXT NOT NULL PRIMARY KEY,
    object TEXT NOT NULL,
    start INTEGER NOT NULL,
    totals TEXT NOT NULL
);
CREATE INDEX measurement_hours_object ON measurement_hours (object, start);
CREATE INDEX measurement_hours_start ON measurement_hours (start, period);
CREATE TABLE measurement_days (
    period TEXT NOT NULL PRIMARY KEY,
    object TEXT NOT NULL,
    start INTEGER NOT NULL,
    totals TEXT NOT NULL
);
CREATE INDEX measurement_days_object ON measurement_days (object, start);
CREATE INDEX measurement_days_start ON measurement_days (start, period);
-- How figures stand against their bounds that are not at ease; an object whose figures all are has no row.
CREATE TABLE threshold_standings (
    object TEXT NOT NULL PRIMARY KEY,
    standings TEXT NOT NULL
);
