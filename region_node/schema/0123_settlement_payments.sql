-- What this region has paid to another one, or received, for a signed month; without a record_time as one person has proposed.
CREATE TABLE settlement_payments (
    region       TEXT    NOT NULL,
    month        TEXT    NOT NULL,
    reference    TEXT    NOT NULL,   -- of the bank's transfer
    proposer     TEXT    NOT NULL,
    propose_time INTEGER NOT NULL,
    recorder     TEXT    NOT NULL,   -- empty before
    record_time  INTEGER,
    PRIMARY KEY (region, month)
);
