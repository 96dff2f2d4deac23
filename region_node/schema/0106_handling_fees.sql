-- The fee that the home region owes the origin region for a completed order, in minor units; null until then, for orders
-- without a fee, and for orders of versions without this column.
ALTER TABLE orders ADD COLUMN handling_fee INTEGER;
