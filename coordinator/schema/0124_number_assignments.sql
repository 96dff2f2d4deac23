-- Assignments of numbers in the order in which they were kept. `content` is a serialised
-- gateway.api.federation.v1.NumberAssignment, `hash` that of the list up to it.
CREATE TABLE number_assignments (
    revision INTEGER NOT NULL PRIMARY KEY,
    number   TEXT NOT NULL,
    content  BLOB NOT NULL,
    hash     BLOB NOT NULL
);
CREATE INDEX number_assignments_number ON number_assignments (number, revision);
-- The certificates (PEM) of their signatures, each once, by the SHA-256 of the DER.
CREATE TABLE number_assignment_certificates (
    hash        BLOB NOT NULL PRIMARY KEY,
    certificate BLOB NOT NULL
);
