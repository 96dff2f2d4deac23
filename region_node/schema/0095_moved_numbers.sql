-- The first revision of the configuration that names this home; null until one does. An older one does not count.
ALTER TABLE moved_numbers ADD COLUMN named_revision INTEGER;
-- The customer of this region with whom the number has moved, by whose erasure the row is removed.
ALTER TABLE moved_numbers ADD COLUMN customer_id TEXT;
CREATE INDEX moved_numbers_customer ON moved_numbers (customer_id);
-- Moves that a coordinator lists: open ones, and those that the number plan does not name yet.
CREATE INDEX customer_moves_open ON customer_moves (create_time, move_id) WHERE state IN (1, 2) OR is_planned = 0;
