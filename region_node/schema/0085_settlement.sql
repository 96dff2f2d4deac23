-- The statement of a month with another region, once one of them has signed it. It names no record and nobody.
CREATE TABLE settlement_statements (
    region TEXT    NOT NULL,
    month  TEXT    NOT NULL,   -- YYYY-MM
    state  INTEGER NOT NULL,
    body   BLOB    NOT NULL,   -- SettlementStatement
    PRIMARY KEY (region, month)
);
CREATE INDEX settlement_statements_newest ON settlement_statements (month, region);
