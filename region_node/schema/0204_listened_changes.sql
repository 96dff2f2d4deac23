-- Changes of which listeners of the Open APIs alone are told, as of orders in `order_events`. Nothing is written without a
-- listener.
CREATE TABLE customer_events (
    sequence     INTEGER NOT NULL PRIMARY KEY,
    product_id   TEXT    NOT NULL,   -- the line, by which TMF629 knows a customer
    state        INTEGER NOT NULL,   -- of the line, or of its customer where that has changed; -1 once it is erased
    former_state INTEGER NOT NULL,
    time         INTEGER NOT NULL
);
CREATE INDEX customer_events_product ON customer_events (product_id, sequence);

CREATE TABLE bill_events (
    sequence     INTEGER NOT NULL PRIMARY KEY,
    bill         TEXT    NOT NULL,   -- account/month
    state        INTEGER NOT NULL,   -- 1
    former_state INTEGER NOT NULL,   -- 0: bills do not change
    time         INTEGER NOT NULL
);
CREATE INDEX bill_events_bill ON bill_events (bill);

CREATE TABLE offering_events (
    sequence     INTEGER NOT NULL PRIMARY KEY,
    business     TEXT    NOT NULL,
    state        INTEGER NOT NULL,   -- 1 in the catalogue; -1 once it has left it
    former_state INTEGER NOT NULL,
    time         INTEGER NOT NULL
);

-- The catalogue with which the next one is compared.
CREATE TABLE known_offerings (
    business TEXT    NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,   -- of the configuration, the same in each row
    body     BLOB    NOT NULL    -- Business of the contract
);

-- Each change of a line asks whether anybody listens.
CREATE INDEX listeners_by_resource ON listeners (resource);
