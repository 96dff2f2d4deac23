-- Whether a consent that is forgotten was given by the paper: it stays used. The ground of one that is kept stands with that.
ALTER TABLE documents ADD COLUMN is_used INTEGER NOT NULL DEFAULT 0;
