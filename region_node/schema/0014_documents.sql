-- The register of this region's own customers' documents, wherever they were verified. No content and no number: what
-- is compared is a keyed hash of this region.
CREATE TABLE documents (
    register_id    TEXT    NOT NULL PRIMARY KEY,   -- <verifying region>/<operator>/<request id>
    customer_id    TEXT    NOT NULL,
    code           TEXT    NOT NULL,
    region         TEXT    NOT NULL,               -- which verified it and has the content
    verifier       TEXT    NOT NULL,
    verify_time    INTEGER NOT NULL,
    expire_time    INTEGER,
    withdraw_time  INTEGER,
    media_type     TEXT    NOT NULL,
    size           INTEGER NOT NULL,
    content_hash   TEXT    NOT NULL,               -- keyed, of the content's SHA-256
    identity_hash  TEXT    NOT NULL,               -- keyed, of the number of an identity document; empty for others
    register_time  INTEGER NOT NULL
);
CREATE INDEX documents_customer ON documents (customer_id, verify_time);
CREATE INDEX documents_identity ON documents (identity_hash);

-- The content of documents that were verified here, of whichever region's customers.
CREATE TABLE document_files (
    register_id   TEXT    NOT NULL PRIMARY KEY,
    subject       TEXT    NOT NULL,                -- under whose key it is sealed
    number_hash   TEXT    NOT NULL,                -- keyed, of the customer's number
    named         BLOB    NOT NULL,                -- DocumentUpload of the contract, sealed
    named_hash    TEXT    NOT NULL,                -- keyed, of what the upload named: another one is another upload
    size          INTEGER NOT NULL,
    received      INTEGER NOT NULL,
    state         INTEGER NOT NULL,                -- UploadState of the contract
    home          TEXT    NOT NULL,                -- the region that has, or is told of, the register's row
    reason        INTEGER NOT NULL,                -- why that region did not take it, 0 if it did
    parameters    TEXT    NOT NULL,                -- of the reason's text, JSON
    withdraw_time INTEGER,
    create_time   INTEGER NOT NULL
);

-- The pieces of the content, sealed, as they came.
CREATE TABLE document_chunks (
    register_id TEXT    NOT NULL,
    start       INTEGER NOT NULL,
    length      INTEGER NOT NULL,
    content     BLOB    NOT NULL,
    PRIMARY KEY (register_id, start)
);

-- How many orders between two regions were completed, and for how many of them papers were needed, or were on file.
CREATE TABLE document_reuse (
    business           TEXT    NOT NULL,
    handling_region    TEXT    NOT NULL,
    home_region        TEXT    NOT NULL,
    orders             INTEGER NOT NULL,
    with_papers        INTEGER NOT NULL,
    without_handing_in INTEGER NOT NULL,
    PRIMARY KEY (business, handling_region, home_region)
);
