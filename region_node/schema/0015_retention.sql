-- Other regions' audit chains: the furthest head that each has told this region as its witness.
CREATE TABLE witnessed_heads (
    region       TEXT    NOT NULL PRIMARY KEY,
    sequence     INTEGER NOT NULL,
    hash         BLOB    NOT NULL,
    signature    BLOB    NOT NULL,       -- of that region
    told         INTEGER NOT NULL,
    contradicted INTEGER NOT NULL        -- 1 once a head was told that contradicts this one
);

-- The keys that other regions have destroyed, by their number at this witness.
CREATE TABLE witnessed_erasures (
    region TEXT    NOT NULL,
    number INTEGER NOT NULL,
    key_id TEXT    NOT NULL,
    PRIMARY KEY (region, number),
    UNIQUE (region, key_id)
);

-- This region's own witnesses, and what each has said last.
CREATE TABLE witnesses (
    witness      TEXT    NOT NULL PRIMARY KEY,
    asked        INTEGER NOT NULL,       -- when a process last took it on itself to tell the head
    sequence     INTEGER NOT NULL,       -- the head that it keeps; 0 before its first answer
    hash         BLOB    NOT NULL,
    told         INTEGER NOT NULL,       -- when it was told, by its clock
    signature    BLOB    NOT NULL,       -- of the witness
    contradicted INTEGER NOT NULL,
    erased       INTEGER NOT NULL,       -- the last destroyed key of this region that it has acknowledged
    heard        INTEGER NOT NULL        -- the last destroyed key of this region that it has told
);

-- Customers of whom nothing is forgotten, for an authority or a court.
CREATE TABLE legal_holds (
    customer_id TEXT    NOT NULL,
    reference   TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    until       INTEGER,                 -- NULL for until it is released
    actor       TEXT    NOT NULL,
    PRIMARY KEY (customer_id, reference)
);

-- What was assessed before customers' data is given to other handlers.
CREATE TABLE impact_records (
    record_id TEXT    NOT NULL PRIMARY KEY,
    content   BLOB    NOT NULL,          -- a serialised gateway.api.region.v1.ImpactRecord
    recorded  INTEGER NOT NULL
);
CREATE INDEX impact_records_recorded ON impact_records (recorded);

-- What the purge of a night has done with each class of data, a number of the contract's enum.
CREATE TABLE purges (
    night      TEXT    NOT NULL,         -- YYYY-MM-DD
    data_class INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    held       INTEGER NOT NULL,
    oldest     INTEGER,                  -- NULL where nothing is left, or while it goes on
    complete   INTEGER NOT NULL,
    PRIMARY KEY (night, data_class)
);
CREATE INDEX requests_time ON requests (time);
CREATE INDEX notices_delivered ON notices (delivery_time, notice_id) WHERE delivery_time IS NOT NULL;
