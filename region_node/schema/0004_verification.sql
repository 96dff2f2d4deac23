-- One-time codes and service passwords, never in clear: keyed hashes of codes, salted scrypt hashes of passwords.
CREATE TABLE passwords (
    product_id TEXT    NOT NULL PRIMARY KEY,
    salt       BLOB    NOT NULL,
    cost       INTEGER NOT NULL,   -- of scrypt
    hash       BLOB    NOT NULL
);

-- The one code of a line that is in force.
CREATE TABLE codes (
    product_id  TEXT    NOT NULL PRIMARY KEY,
    subject     TEXT    NOT NULL,   -- the request that it is for
    keyed_hash  BLOB    NOT NULL,
    expire_time INTEGER NOT NULL
);
CREATE INDEX codes_expired ON codes (expire_time);

-- Each wrong code or password that still counts.
CREATE TABLE verification_failures (
    product_id TEXT    NOT NULL,
    time       INTEGER NOT NULL,
    PRIMARY KEY (product_id, time)
);

-- Until when nothing is checked for a line, and when a code was last sent to it; 0 for never.
CREATE TABLE verification_standing (
    product_id   TEXT    NOT NULL PRIMARY KEY,
    locked_until INTEGER NOT NULL,
    code_sent    INTEGER NOT NULL
);

-- Keys that every process of the region shares and nobody else has.
CREATE TABLE secrets (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);

CREATE INDEX notices_created ON notices (create_time, notice_id);
