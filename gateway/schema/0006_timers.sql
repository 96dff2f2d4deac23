-- Limits that are counted in days end at the same instant for many: what is due is found in order without sorting it.
DROP INDEX timers_due;
CREATE INDEX timers_in_order ON timers (due, timer_id);
