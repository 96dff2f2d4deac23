-- Beside `named_revision`: how many assignments of the number were known when a plan first named this home; null where
-- an exception of the configuration named it.
ALTER TABLE moved_numbers ADD COLUMN named_assignments INTEGER;
