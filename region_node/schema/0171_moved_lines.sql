-- The lines that have moved to another home with their customers: by them faults of before the move find their line.
CREATE TABLE moved_lines (
    product_id  TEXT    NOT NULL PRIMARY KEY,
    customer_id TEXT    NOT NULL,
    number      TEXT    NOT NULL,   -- an index
    move_id     TEXT    NOT NULL,
    line        INTEGER NOT NULL,   -- the place in the hand-over
    region      TEXT    NOT NULL,   -- the new home
    end_time    INTEGER NOT NULL    -- the confirmation of the move
);
CREATE INDEX moved_lines_number ON moved_lines (number, end_time);
CREATE INDEX moved_lines_customer ON moved_lines (customer_id);
