-- Columns have the names of the contract.
ALTER TABLE timers RENAME COLUMN due TO due_time;
