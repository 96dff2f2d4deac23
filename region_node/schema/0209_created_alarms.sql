-- The creations of alarms after a change, of which listeners are told beside the last changes.
CREATE INDEX alarms_first_change ON alarms (first_change);
