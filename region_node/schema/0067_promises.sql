-- When an order of this region's counter was promised to be done, while it is not final: the order is watched until then.
ALTER TABLE orders ADD COLUMN due_time INTEGER;
CREATE INDEX orders_due ON orders (due_time, order_id) WHERE due_time IS NOT NULL;
