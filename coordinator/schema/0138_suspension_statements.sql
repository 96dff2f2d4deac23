-- The statement in force about each region that has one: a serialised gateway.api.federation.v1.SignedSuspension.
CREATE TABLE suspension_statements (
    region  TEXT NOT NULL PRIMARY KEY,
    content BLOB NOT NULL
);
