-- The alarm that was created last of those with a name, by which a report outside any stream is known to be a repeat, or too late.
CREATE INDEX alarms_external ON alarms (external, COALESCE(first_change, 0));
