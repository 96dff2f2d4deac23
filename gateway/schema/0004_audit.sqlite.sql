-- Random bytes that go into the digest of a row, so that nobody can guess a row from its digest.
ALTER TABLE audit ADD COLUMN salt BLOB NOT NULL DEFAULT X'';
