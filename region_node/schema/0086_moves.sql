-- Moves of customers from and to this region. `body` is the move, sealed under the customer's key.
CREATE TABLE customer_moves (
    move_id     TEXT    NOT NULL PRIMARY KEY,
    customer_id TEXT    NOT NULL REFERENCES customers,   -- here: another one at the other home
    state       INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    is_planned  INTEGER NOT NULL,   -- 1 once the number plan names the new home
    body        BLOB    NOT NULL
);
CREATE INDEX customer_moves_date ON customer_moves (create_time, move_id);
CREATE INDEX customer_moves_customer ON customer_moves (customer_id);
CREATE INDEX customer_moves_untold ON customer_moves (move_id) WHERE is_planned = 0;

-- The home of each number that has moved from or to this region, which says it before the number plan does.
CREATE TABLE moved_numbers (
    number TEXT NOT NULL PRIMARY KEY,   -- keyed hash
    region TEXT NOT NULL
);
