-- The last alarm that is known by a name, by which a report outside any stream is known to be a repeat, or too late.
CREATE INDEX alarms_external ON alarms (external, change);
