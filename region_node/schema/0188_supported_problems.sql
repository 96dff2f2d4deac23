-- Services whose customers get notices of the present state of a problem, separated by spaces, and whether staff confirmed
-- one. NULL for all services: by a version that notifies all.
ALTER TABLE followed_problems ADD COLUMN notified_services TEXT;
ALTER TABLE followed_problems ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
-- Alarms and faults of this region by which customers got notice of a problem, by the ids of their events.
CREATE TABLE problem_grounds (
    problem_id TEXT NOT NULL,
    event_id   TEXT NOT NULL,
    PRIMARY KEY (problem_id, event_id)
);
-- Bills that another region has read by papers alone, by day of this region.
CREATE TABLE bill_readings (
    day      TEXT    NOT NULL,
    region   TEXT    NOT NULL,
    readings INTEGER NOT NULL,
    denied   INTEGER NOT NULL,
    PRIMARY KEY (day, region)
);
