-- Columns and tables have the names of the contract.
ALTER TABLE customers RENAME COLUMN standing TO status;
ALTER TABLE threshold_standings RENAME COLUMN standings TO states;
ALTER TABLE threshold_standings RENAME TO threshold_states;
ALTER TABLE told_standings RENAME COLUMN standing TO status;
ALTER TABLE told_standings RENAME TO known_statuses;
ALTER TABLE verification_standing RENAME TO verification_states;
