-- Reminders look for contracts that end soon.
CREATE INDEX products_contract ON products (contract_end, product_id) WHERE contract_end IS NOT NULL;
