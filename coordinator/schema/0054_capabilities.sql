-- What a region can read of a configuration; NULL for one whose node is older than this column.
ALTER TABLE joined_regions ADD COLUMN capabilities BLOB;
