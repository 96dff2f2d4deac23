-- Alarms of the network. `external` is what the same trouble is known by while it is there: `<operator> <source> <id>`.
CREATE TABLE alarms (
    alarm_id TEXT NOT NULL PRIMARY KEY,
    external TEXT NOT NULL,
    object TEXT NOT NULL,
    severity INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    change INTEGER NOT NULL,
    clear_time INTEGER,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX alarms_open ON alarms (external) WHERE clear_time IS NULL;
CREATE UNIQUE INDEX alarms_change ON alarms (change);
CREATE INDEX alarms_open_change ON alarms (change) WHERE clear_time IS NULL;
CREATE INDEX alarms_object ON alarms (object, change);
CREATE INDEX alarms_cleared ON alarms (clear_time, alarm_id) WHERE clear_time IS NOT NULL;
-- The last numbers that were given: of alarms, and of changes of them. One row.
CREATE TABLE alarm_numbers (
    only_one INTEGER NOT NULL PRIMARY KEY,
    alarm INTEGER NOT NULL,
    change INTEGER NOT NULL
);
