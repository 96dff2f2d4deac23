-- Behind which the answer to a question for receipts goes on; empty at first. A version without it begins anew.
ALTER TABLE receipt_questions ADD COLUMN place TEXT NOT NULL DEFAULT '';
