-- Revocation lists, one for each issuer. `issuer` is the SHA-256 (hex) of its public key; `content` is a serialised
-- gateway.api.federation.v1.RevocationList.
CREATE TABLE revocation_lists (
    issuer TEXT NOT NULL PRIMARY KEY,
    content BLOB NOT NULL
);
