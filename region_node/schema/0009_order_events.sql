-- What an event tells (OrderEvent of the contract, without its sequence), as the order was after the change.
-- NULL where a version before this one wrote the row: then the other columns are all that is known.
ALTER TABLE order_events ADD COLUMN body BLOB;
