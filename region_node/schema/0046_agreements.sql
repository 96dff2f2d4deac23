-- What customers were promised about the service of a line (TMF657). `body` is sealed under the customer's key.
CREATE TABLE agreements (
    agreement_id     TEXT    NOT NULL PRIMARY KEY,
    agreement_number INTEGER NOT NULL,
    customer_id      TEXT    NOT NULL,
    product_id       TEXT    NOT NULL,
    service          TEXT    NOT NULL,
    start_time       INTEGER NOT NULL,
    end_time         INTEGER,                  -- NULL while nobody has ended it
    body             BLOB    NOT NULL
);
CREATE INDEX agreements_numbered ON agreements (agreement_number);
CREATE INDEX agreements_service ON agreements (service, agreement_id);
CREATE INDEX agreements_product ON agreements (product_id);
CREATE INDEX agreements_customer ON agreements (customer_id);
CREATE INDEX agreements_ended ON agreements (end_time, agreement_id) WHERE end_time IS NOT NULL;

-- What each came to in a month; a later revision corrects the one before. `body` is sealed under the customer's key.
CREATE TABLE agreement_statements (
    agreement_id TEXT    NOT NULL,
    month        TEXT    NOT NULL,             -- YYYY-MM in the region
    revision     INTEGER NOT NULL,
    create_time  INTEGER NOT NULL,
    body         BLOB    NOT NULL,
    PRIMARY KEY (agreement_id, month, revision)
);
CREATE INDEX agreement_statements_time ON agreement_statements (create_time, agreement_id);

-- When services of the network were, or will be, down, as the regions tell that run them. No customer is named.
CREATE TABLE service_outages (
    service       TEXT    NOT NULL,
    source        TEXT    NOT NULL,            -- `<region>/<fault or planned outage>/<key>`
    agreement_id  TEXT    NOT NULL,            -- that is concerned alone; empty for everybody
    start_time    INTEGER NOT NULL,
    end_time      INTEGER NOT NULL,
    region        TEXT    NOT NULL,
    cause         INTEGER NOT NULL,
    announce_time INTEGER,                     -- of a planned one; NULL for an emergency
    version       INTEGER NOT NULL,
    withdrawn     INTEGER NOT NULL,
    PRIMARY KEY (service, source, agreement_id, start_time)
);
CREATE INDEX service_outages_end ON service_outages (service, end_time);
CREATE INDEX service_outages_old ON service_outages (end_time, source);

-- How much of what was measured of a service in a month kept to its class, as the region tells that runs it.
CREATE TABLE service_conformance (
    service TEXT    NOT NULL,
    month   TEXT    NOT NULL,                  -- YYYY-MM
    windows INTEGER NOT NULL,
    kept    INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (service, month)
);
CREATE INDEX service_conformance_month ON service_conformance (month, service);

-- Time for which the rent of a line was waived (Telecommunications Regulations, art. 32): no agreement pays for it again.
CREATE TABLE waived_times (
    product_id TEXT    NOT NULL,
    source     TEXT    NOT NULL,               -- what it was waived for
    start_time INTEGER NOT NULL,
    end_time   INTEGER NOT NULL,
    PRIMARY KEY (product_id, source)
);
