-- Columns and tables have the names of the contract.
ALTER TABLE cases RENAME COLUMN docket TO ticket_id;
