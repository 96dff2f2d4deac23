-- The numbers of each move: of a customer who came back and left again, all hand-overs are found by the number.
CREATE TABLE move_numbers (
    move_id     TEXT NOT NULL,
    number      TEXT NOT NULL,   -- keyed hash
    customer_id TEXT NOT NULL,   -- of this region, by whose erasure the row is removed
    assignments INTEGER NOT NULL,   -- of the number, as known when this region confirmed or took over
    PRIMARY KEY (move_id, number)
);
CREATE INDEX move_numbers_number ON move_numbers (number);
CREATE INDEX move_numbers_customer ON move_numbers (customer_id);
-- 0 for a move of an earlier version, whose numbers only its sealed body has.
ALTER TABLE customer_moves ADD COLUMN has_numbers INTEGER NOT NULL DEFAULT 0;
CREATE INDEX customer_moves_without_numbers ON customer_moves (move_id) WHERE has_numbers = 0;
