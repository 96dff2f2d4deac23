-- Listeners of the Open APIs, and how far each has been told.
CREATE TABLE listeners (
    listener_id TEXT    NOT NULL PRIMARY KEY,
    operator    TEXT    NOT NULL,
    resource    INTEGER NOT NULL,
    position    INTEGER NOT NULL,   -- of the last change that was told, among all of the resource
    due_time    INTEGER,            -- when it is told next, at the earliest; NULL once it is stopped
    attempts    INTEGER NOT NULL,   -- that failed, since the last that did not
    body        BLOB    NOT NULL    -- Listener of the contract
);
CREATE INDEX listeners_of ON listeners (operator, listener_id);

-- The state before the change; 0 for the first event. NULL where a version before this one wrote the row.
ALTER TABLE order_events ADD COLUMN former_state INTEGER;
ALTER TABLE complaint_events ADD COLUMN former_state INTEGER;
ALTER TABLE fault_events ADD COLUMN former_state INTEGER;

-- The change by which the alarm was raised. NULL where a version before this one wrote the row.
ALTER TABLE alarms ADD COLUMN first_change INTEGER;
