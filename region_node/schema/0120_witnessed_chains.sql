-- The audit chains of the coordinators: the furthest head that each coordinator has told this region as their witness.
CREATE TABLE witnessed_chains (
    chain        TEXT    NOT NULL,
    endpoint     TEXT    NOT NULL,       -- of the coordinator that told it: no coordinator tells of another one's word
    sequence     INTEGER NOT NULL,
    hash         BLOB    NOT NULL,
    told         INTEGER NOT NULL,
    contradicted INTEGER NOT NULL,       -- 1 once a head was told that contradicts this one
    PRIMARY KEY (chain, endpoint)
);
