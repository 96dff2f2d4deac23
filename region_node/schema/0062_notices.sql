-- Columns and tables have the names of the contract.
ALTER TABLE complaint_tellings RENAME TO escalation_notices;
ALTER TABLE hold_tellings RENAME TO hold_notices;
