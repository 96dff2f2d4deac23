-- The last rows of the audit chain before the first and the last start that a question is about; 0 for an empty chain.
-- NULL in a question of a version without them.
ALTER TABLE receipt_questions ADD COLUMN first_head INTEGER;
ALTER TABLE receipt_questions ADD COLUMN last_head INTEGER;
