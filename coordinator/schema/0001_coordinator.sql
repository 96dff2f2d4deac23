-- Instants are whole microseconds since 1970-01-01 UTC.

-- Every configuration that was ever in force. Rows are never removed, so that a revision is never used twice.
CREATE TABLE configurations (
    revision INTEGER NOT NULL PRIMARY KEY,
    content  BLOB    NOT NULL,             -- a serialised gateway.api.federation.v1.Configuration
    actor    TEXT    NOT NULL,
    applied  INTEGER NOT NULL
);

-- Regions that have joined at least once; a region in here is lost when silent, never absent.
CREATE TABLE joined_regions (
    region              TEXT    NOT NULL PRIMARY KEY,
    first_joined        INTEGER NOT NULL,
    signing_certificate BLOB    NOT NULL   -- PEM
);

-- Regions that nothing is routed to or taken from.
CREATE TABLE suspensions (
    region TEXT    NOT NULL PRIMARY KEY,
    since  INTEGER NOT NULL,
    note   TEXT    NOT NULL,
    actor  TEXT    NOT NULL
);

-- The furthest end of each region's audit chain, against which a cut or rewritten chain is found.
CREATE TABLE audit_heads (
    region    TEXT    NOT NULL PRIMARY KEY,
    sequence  INTEGER NOT NULL,
    hash      BLOB    NOT NULL,
    signature BLOB    NOT NULL,
    handed_in INTEGER NOT NULL
);
