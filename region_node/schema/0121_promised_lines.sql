-- The joint order with an item that has promised the end of the line; empty for none. It keeps other orders from ending or
-- binding the line, and its customer from moving.
ALTER TABLE products ADD COLUMN promised_to TEXT NOT NULL DEFAULT '';
CREATE INDEX products_promised ON products (promised_to) WHERE promised_to <> '';
