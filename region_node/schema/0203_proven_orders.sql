-- Whether a member of staff has proven to take an order in: it may turn out to be about an own customer much later.
-- An order of an earlier version counts as unproven.
ALTER TABLE orders ADD COLUMN is_proven INTEGER NOT NULL DEFAULT 0;
