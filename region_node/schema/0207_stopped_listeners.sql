-- The time at which a listener was stopped: changes are noted for it for a while, and then it is removed. NULL before that,
-- and where a version before this one has stopped it.
ALTER TABLE listeners ADD COLUMN stop_time INTEGER;
