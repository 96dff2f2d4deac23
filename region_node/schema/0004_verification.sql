-- One-time codes and service passwords, never in clear: keyed hashes of codes, salted scrypt hashes of passwords.
CREATE TABLE passwords (
    product_id TEXT NOT NULL PRIMARY KEY,
    salt       BLOB NOT NULL,
    hash       BLOB NOT NULL
);
CREATE TABLE codes (
    subject     TEXT    NOT NULL PRIMARY KEY,   -- the request that it is for
    product_id  TEXT    NOT NULL,
    keyed_hash  BLOB    NOT NULL,
    expire_time INTEGER NOT NULL
);
CREATE INDEX codes_expired ON codes (expire_time);
CREATE TABLE verification_failures (
    product_id   TEXT    NOT NULL PRIMARY KEY,
    failures     INTEGER NOT NULL,
    first_time   INTEGER NOT NULL,
    locked_until INTEGER NOT NULL
);

-- Keys that every process of the region shares and nobody else has.
CREATE TABLE secrets (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);
