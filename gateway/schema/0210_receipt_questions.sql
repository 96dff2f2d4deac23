-- What a region has still to ask others after its starts: for the furthest receipt that they keep of before each of them.
-- Instants are in microseconds since 1970.
CREATE TABLE receipt_questions (
    region     TEXT    NOT NULL, -- which is asked
    start_time INTEGER NOT NULL, -- receipts that this region gave later have no part in the search
    last_time  INTEGER NOT NULL, -- of the last row of the audit chain before the start; 0 for an empty chain
    PRIMARY KEY (region, start_time)
);
