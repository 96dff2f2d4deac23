-- What a line is, how it is paid for, why it is suspended, which card it has: numbers of the contract's enums, 0 where
-- an older version has written the row.
ALTER TABLE products ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE products ADD COLUMN rating_type INTEGER NOT NULL DEFAULT 0;
ALTER TABLE products ADD COLUMN suspension_kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE products ADD COLUMN card_kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE products ADD COLUMN address TEXT NOT NULL DEFAULT '';

-- Offerings that a line has, or has had.
CREATE TABLE subscriptions (
    subscription_id TEXT    NOT NULL PRIMARY KEY,
    product_id      TEXT    NOT NULL,
    offering_id     TEXT    NOT NULL,
    start_date      INTEGER NOT NULL,
    end_date        INTEGER
);
CREATE INDEX subscriptions_product ON subscriptions (product_id);

-- By which attested document a customer was identified: a region's keyed hash of it, never the document.
CREATE TABLE identities (
    attester    TEXT NOT NULL,
    keyed_hash  BLOB NOT NULL,
    customer_id TEXT NOT NULL,
    PRIMARY KEY (attester, keyed_hash, customer_id)
);

-- What customers are told. A row waits until the region's notification system has taken it.
CREATE TABLE notices (
    notice_id     TEXT    NOT NULL PRIMARY KEY,
    kind          TEXT    NOT NULL,
    number        TEXT    NOT NULL,
    zh_cn         TEXT    NOT NULL,
    en            TEXT    NOT NULL,
    create_time   INTEGER NOT NULL,
    delivery_time INTEGER,
    attempts      INTEGER NOT NULL,
    due           INTEGER NOT NULL
);
CREATE INDEX notices_waiting ON notices (due) WHERE delivery_time IS NULL;
CREATE INDEX notices_number ON notices (number, create_time);
