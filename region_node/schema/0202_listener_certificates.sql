-- The certificates of the caller that registered a listener, PEM, with those of its issuers: once one of them is revoked,
-- nothing more is told. NULL where a version before this one wrote the row, or the caller had none.
ALTER TABLE listeners ADD COLUMN certificates BLOB;
