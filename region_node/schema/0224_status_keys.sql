-- The id in the subjects of the envelopes that tell other regions of an erasure. They have the numbers until their keys are
-- destroyed, a day after the last receipt; `scrub` is then the one after that. Empty for an erasure of an earlier version.
ALTER TABLE erasures ADD COLUMN status_key TEXT NOT NULL DEFAULT '';
CREATE INDEX erasures_status_key ON erasures (status_key);
