-- What witnesses were told of destroyed keys with a proof, and have told: counted apart from `erased` and `heard`, by
-- which processes of an earlier version go on without one.
ALTER TABLE witnesses ADD COLUMN proven_erased INTEGER NOT NULL DEFAULT 0;
ALTER TABLE witnesses ADD COLUMN proven_heard INTEGER NOT NULL DEFAULT 0;
