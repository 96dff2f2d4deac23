-- What was asked by which request id: a repeat does nothing twice, whether or not the number is anybody's. No number is here.
CREATE TABLE sharing_requests (
    subject TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL,
    start_time INTEGER,
    end_time INTEGER,
    request_time INTEGER NOT NULL
);

-- What customers decided about the sharing of their records. The newest of a line, reader and purpose counts.
-- evidence: ConsentEvidence, sealed under the customer.
CREATE TABLE sharing_grants (
    sequence INTEGER NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL UNIQUE,
    customer_id TEXT NOT NULL,
    product_id TEXT NOT NULL,
    reader TEXT NOT NULL,
    purpose TEXT NOT NULL,
    granted INTEGER NOT NULL,
    fields TEXT NOT NULL,
    start_time INTEGER NOT NULL,
    end_time INTEGER,
    record_time INTEGER NOT NULL,
    withdraw_time INTEGER,
    evidence BLOB NOT NULL
);
CREATE INDEX sharing_grants_line ON sharing_grants (product_id, reader, purpose, sequence);

-- Who saw what of a customer, or was refused: fields by name, never values.
-- particulars: DisclosureParticulars, sealed under the customer.
CREATE TABLE disclosures (
    sequence INTEGER NOT NULL PRIMARY KEY,
    customer_id TEXT NOT NULL,
    product_id TEXT NOT NULL,
    kind INTEGER NOT NULL,
    time INTEGER NOT NULL,
    region TEXT NOT NULL,
    operator TEXT NOT NULL,
    purpose TEXT NOT NULL,
    legal_basis INTEGER NOT NULL,
    grant_id TEXT NOT NULL,
    shown TEXT NOT NULL,
    masked TEXT NOT NULL,
    refused INTEGER NOT NULL,
    particulars BLOB NOT NULL
);
CREATE INDEX disclosures_line ON disclosures (product_id, sequence);
