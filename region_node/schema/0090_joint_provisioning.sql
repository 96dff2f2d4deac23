-- The subject whose key seals what the region's own system tells; empty for an order, whose id is the key of the row.
-- Items of joint orders have tasks too: their key is `<joint order id>#<item id>`.
ALTER TABLE fulfilment_tasks ADD COLUMN subject TEXT NOT NULL DEFAULT '';
