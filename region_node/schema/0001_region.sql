-- Instants are whole microseconds since 1970-01-01 UTC. Money is whole minor units.

CREATE TABLE customers (
    customer_id TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    email       TEXT NOT NULL
);

-- TMF637 Product: the line of a customer.
CREATE TABLE products (
    product_id        TEXT    NOT NULL PRIMARY KEY,
    customer_id       TEXT    NOT NULL REFERENCES customers,
    account_id        TEXT    NOT NULL,
    number            TEXT    NOT NULL UNIQUE,
    status            INTEGER NOT NULL,
    plan_id           TEXT    NOT NULL,
    start_date        INTEGER NOT NULL,
    contract_end      INTEGER,
    binding           TEXT    NOT NULL,
    sim_replaced      INTEGER,
    suspension_reason TEXT    NOT NULL,
    suspension_end    INTEGER
);
CREATE INDEX products_customer ON products (customer_id);

-- Immutable: a balance is the sum of an account's entries; a posting's entries sum to zero.
CREATE TABLE ledger_entries (
    posting_id TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    amount     INTEGER NOT NULL,
    currency   TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    time       INTEGER NOT NULL,
    PRIMARY KEY (posting_id, account)
);
CREATE INDEX ledger_account ON ledger_entries (account, time, amount);

-- Orders that this region owns or handles. `body` is the order; the other columns are for finding it.
CREATE TABLE orders (
    order_id        TEXT    NOT NULL PRIMARY KEY,
    handling_region TEXT    NOT NULL,
    home_region     TEXT    NOT NULL,
    operator        TEXT    NOT NULL,
    business        TEXT    NOT NULL,
    number          TEXT    NOT NULL,
    state           INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    awaiting        INTEGER NOT NULL,
    order_date      INTEGER NOT NULL,
    traceparent     TEXT    NOT NULL,
    body            BLOB    NOT NULL
);
CREATE INDEX orders_date ON orders (order_date, order_id);
CREATE INDEX orders_number ON orders (number);
CREATE INDEX orders_held ON orders (order_id) WHERE state = 4;

-- Every change of an order, in the order of commits.
CREATE TABLE order_events (
    sequence INTEGER NOT NULL PRIMARY KEY,
    order_id TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    time     INTEGER NOT NULL
);

-- Requests of operator systems and staff: the same id never does two things.
CREATE TABLE requests (
    caller     TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    order_id   TEXT    NOT NULL,
    settled    INTEGER NOT NULL,   -- 1 once the home region has answered
    reason     INTEGER NOT NULL,   -- why it was refused, 0 if it was not
    parameters TEXT    NOT NULL,   -- of the reason's text, JSON
    time       INTEGER NOT NULL,
    PRIMARY KEY (caller, request_id)
);
