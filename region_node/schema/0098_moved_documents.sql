-- The region by whose key `content_hash` is made: empty for this one, else the former home of a customer who moved here.
ALTER TABLE documents ADD COLUMN keyed_by TEXT NOT NULL DEFAULT '';
