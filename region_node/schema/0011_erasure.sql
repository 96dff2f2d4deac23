-- What may be done with a customer's data: 1 all that is needed, 2 it is stored and nothing else, 3 it is erased.
ALTER TABLE customers ADD COLUMN standing INTEGER NOT NULL DEFAULT 1;
CREATE INDEX customers_standing ON customers (customer_id) WHERE standing <> 1;

-- 1 where the key of the order was destroyed: its body cannot be read any more.
ALTER TABLE orders ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;

-- Who had a customer erased, and why. It tells nothing about the person.
CREATE TABLE erasures (
    caller         TEXT    NOT NULL,
    request_id     TEXT    NOT NULL,
    digest         BLOB    NOT NULL,
    customer_id    TEXT    NOT NULL,
    reason         INTEGER NOT NULL,
    staff_id       TEXT    NOT NULL,
    channel        INTEGER NOT NULL,
    time           INTEGER NOT NULL,
    keys_destroyed INTEGER NOT NULL,
    orders_erased  INTEGER NOT NULL,
    PRIMARY KEY (caller, request_id)
);
CREATE INDEX erasures_customer ON erasures (customer_id);

-- The ids of destroyed keys; every process keeps them in a file, too, which no backup of this database replaces.
CREATE TABLE erased_keys (
    key_id   TEXT    NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL UNIQUE,   -- from 1, in the order in which they were noted
    time     INTEGER NOT NULL
);
CREATE INDEX erased_keys_time ON erased_keys (time);
