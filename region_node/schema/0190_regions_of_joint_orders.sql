-- The regions that lead or follow a joint order, each between blanks, by which lists find it. Empty for a row of an
-- earlier version, until the start of a process fills it in.
ALTER TABLE joint_orders ADD COLUMN regions TEXT NOT NULL DEFAULT '';
CREATE INDEX joint_orders_without_regions ON joint_orders (joint_order_id) WHERE regions = '';
