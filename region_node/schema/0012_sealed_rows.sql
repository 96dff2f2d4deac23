-- Personal data is sealed under the key of its subject (data_keys); where a number is looked for, the column holds a keyed
-- index of it. The columns that held it in the clear stay, empty. A row that a version before this one has written is
-- sealed before the node serves: the indexes named `_clear` find such rows, and are empty from then on.

-- `sealed`: name and email, under the customer.
ALTER TABLE customers ADD COLUMN sealed BLOB;
CREATE INDEX customers_clear ON customers (customer_id) WHERE sealed IS NULL;

-- `number`: its index; `sealed`: the number, the address and why the line is suspended, under the customer.
ALTER TABLE products ADD COLUMN sealed BLOB;
CREATE INDEX products_clear ON products (product_id) WHERE sealed IS NULL;

-- `number`: its index, empty for none; `body` is sealed under the order.
ALTER TABLE orders ADD COLUMN is_sealed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX orders_clear ON orders (order_id) WHERE is_sealed = 0;

-- `digest` is a keyed one; `sealed`: the parameters, under the order, NULL for none.
ALTER TABLE requests ADD COLUMN is_sealed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN sealed BLOB;
CREATE INDEX requests_clear ON requests (caller, request_id) WHERE is_sealed = 0;

-- `number`: its index; `sealed`: the number and both texts, under the number.
ALTER TABLE notices ADD COLUMN sealed BLOB;
CREATE INDEX notices_clear ON notices (notice_id) WHERE sealed IS NULL;

-- `sealed`: the other number, under the number of the line; NULL for none.
ALTER TABLE usage_records ADD COLUMN sealed BLOB;
CREATE INDEX usage_clear ON usage_records (usage_id) WHERE other_number <> '';

-- What the region's own system has said, under the order; NULL for nothing.
ALTER TABLE fulfilment_tasks ADD COLUMN sealed_results BLOB;
ALTER TABLE fulfilment_tasks ADD COLUMN sealed_problem BLOB;
CREATE INDEX fulfilment_tasks_clear ON fulfilment_tasks (order_id) WHERE results <> '{}' OR problem <> '';

-- `sealed`: the parameters, under `subject`: the number that they tell, or the file.
ALTER TABLE import_rejections ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE import_rejections ADD COLUMN sealed BLOB;
CREATE INDEX import_rejections_clear ON import_rejections (sha256, number) WHERE sealed IS NULL;
