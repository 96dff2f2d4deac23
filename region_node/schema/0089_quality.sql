-- For the scorecard: when an order was completed, whether that was later than promised, and whether a review had returned
-- it; null until then, and for orders of versions without these columns.
ALTER TABLE orders ADD COLUMN completion_time INTEGER;
ALTER TABLE orders ADD COLUMN is_late INTEGER;
ALTER TABLE orders ADD COLUMN is_returned INTEGER;
CREATE INDEX orders_completed ON orders (completion_time, order_id) WHERE completion_time IS NOT NULL;
