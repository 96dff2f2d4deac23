-- What this region owes another one, or is owed, without an order: for credits that the network of one of them caused, and
-- for parts. The amount is in the ledger, in postings whose ids begin with the serial and '#'.
CREATE TABLE regional_debts (
    kind        TEXT    NOT NULL,   -- of charge
    serial      TEXT    NOT NULL,
    region      TEXT    NOT NULL,   -- the other one
    debtor      TEXT    NOT NULL,
    create_time INTEGER NOT NULL,   -- as both regions have it: it decides the month
    PRIMARY KEY (kind, serial)
);
CREATE INDEX regional_debts_times ON regional_debts (region, create_time);
