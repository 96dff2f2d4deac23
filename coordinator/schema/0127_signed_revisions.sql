-- The statement that administrators signed about a revision: a serialised SignedRevision; NULL or empty without one.
ALTER TABLE configurations ADD COLUMN signed BLOB;
