-- How many of a day's readings, and of its denied ones, had proofs of both people. Versions before this one verify none and
-- leave the count alone, so that theirs count as unproven. Nobody proves a reading of bills by papers.
ALTER TABLE duty_readings ADD COLUMN proven INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bill_readings ADD COLUMN proven INTEGER NOT NULL DEFAULT 0;
