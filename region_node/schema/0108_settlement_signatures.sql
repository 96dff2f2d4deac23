-- The envelopes that carry the signatures under a statement, each with the signing certificate (PEM) of its time.
CREATE TABLE settlement_signatures (
    region      TEXT NOT NULL,   -- with which the statement is
    month       TEXT NOT NULL,   -- YYYY-MM
    signer      TEXT NOT NULL,
    envelope_id TEXT NOT NULL,
    certificate BLOB NOT NULL,   -- empty where none was known
    PRIMARY KEY (region, month, signer)
);
