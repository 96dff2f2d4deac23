-- Dealings with lines of this region in an hour, and failures. An empty operator stands for the rest of its region.
CREATE TABLE dealings (
    hour     INTEGER NOT NULL,             -- hours since 1970 by this region's clock
    region   TEXT    NOT NULL,
    operator TEXT    NOT NULL,
    staff_id TEXT    NOT NULL,
    lines    INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (hour, region, operator, staff_id)
);
-- The hours of the day in which an operator system works, learnt from its dealings.
CREATE TABLE operator_hours (
    region    TEXT    NOT NULL,
    operator  TEXT    NOT NULL,
    first_day INTEGER NOT NULL,            -- days since 1970 by the calendar of this region
    last_day  INTEGER NOT NULL,
    hours     TEXT    NOT NULL,            -- for each hour of a day a number: bit n is set for work n days before the last
    PRIMARY KEY (region, operator)
);
-- What was beyond a bound in an hour; times are in microseconds since 1970.
CREATE TABLE anomalies (
    id               TEXT    NOT NULL PRIMARY KEY,
    hour             INTEGER NOT NULL,
    cause            INTEGER NOT NULL,
    region           TEXT    NOT NULL,
    operator         TEXT    NOT NULL,
    staff_id         TEXT    NOT NULL,
    counted          INTEGER NOT NULL,
    most             INTEGER NOT NULL,
    find_time        INTEGER NOT NULL,
    due_time         INTEGER NOT NULL,
    finding          INTEGER NOT NULL,     -- 0 while it waits
    reference        TEXT    NOT NULL,
    acknowledger     TEXT    NOT NULL,
    acknowledge_time INTEGER
);
CREATE INDEX anomalies_hour ON anomalies (hour);
CREATE INDEX anomalies_found ON anomalies (find_time, id);
CREATE INDEX anomalies_waiting ON anomalies (find_time, id) WHERE finding = 0;
