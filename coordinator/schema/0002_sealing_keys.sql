-- What batches for a region are sealed to: a serialised gateway.api.federation.v1.SealingKey, empty where it told none.
ALTER TABLE joined_regions ADD COLUMN sealing_key BLOB;
