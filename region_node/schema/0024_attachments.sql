-- Files that are attached to complaints are stored as documents are, under the key of `complaint/<docket>`; `home` is then
-- the region that is responsible for the complaint.
ALTER TABLE document_files ADD COLUMN docket TEXT NOT NULL DEFAULT '';   -- empty for a document
CREATE INDEX document_files_docket ON document_files (docket) WHERE docket <> '';

-- What staff of this region wrote down about a complaint for themselves. `body` is a ComplaintNote of the contract,
-- sealed under the key of `complaint/<docket>`.
CREATE TABLE complaint_private_notes (
    docket TEXT    NOT NULL,
    number INTEGER NOT NULL,   -- counts those of the complaint
    body   BLOB    NOT NULL,
    PRIMARY KEY (docket, number)
);
