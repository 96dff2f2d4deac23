-- The last head with the coordinator's signature, as ChainHead of the contract. NULL where none was told. Versions before this
-- one leave it alone, so that it may be of an earlier row than the head.
ALTER TABLE witnessed_chains ADD COLUMN signed BLOB;
