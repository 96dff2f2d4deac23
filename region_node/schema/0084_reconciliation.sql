-- A business day as it was last compared with another region: settled records and their digests in both, and the number
-- of records that are open in one of them. It is compared again until it is settled.
CREATE TABLE reconciled_days (
    region        TEXT    NOT NULL,
    day           TEXT    NOT NULL,   -- YYYY-MM-DD
    records_here  INTEGER NOT NULL,
    records_there INTEGER NOT NULL,
    digest_here   BLOB    NOT NULL,
    digest_there  BLOB    NOT NULL,
    open_records  INTEGER NOT NULL,
    compare_time  INTEGER,            -- when the other region answered last
    is_settled    INTEGER NOT NULL,   -- 1 once it has answered and no record is open
    PRIMARY KEY (region, day)
);
CREATE INDEX reconciled_days_unsettled ON reconciled_days (region, day) WHERE is_settled = 0;
CREATE INDEX reconciled_days_newest ON reconciled_days (day, region);

-- A record on which this region and another differ, with both copies sealed in `body`.
CREATE TABLE reconciliation_differences (
    region      TEXT    NOT NULL,
    record_kind TEXT    NOT NULL,
    serial      TEXT    NOT NULL,
    day         TEXT    NOT NULL,
    kind        INTEGER NOT NULL,
    found_time  INTEGER NOT NULL,
    seen_time   INTEGER NOT NULL,     -- the start of the last comparison that found it
    closed_time INTEGER,
    repair_id   TEXT    NOT NULL,
    body        BLOB    NOT NULL,
    PRIMARY KEY (region, record_kind, serial)
);
CREATE INDEX reconciliation_differences_day ON reconciliation_differences (day, region, record_kind, serial);
CREATE INDEX reconciliation_differences_open ON reconciliation_differences (region, day) WHERE closed_time IS NULL;

-- A repair of a difference, in both regions; the message is sealed in `body`.
CREATE TABLE reconciliation_repairs (
    repair_id   TEXT    NOT NULL PRIMARY KEY,
    record_kind TEXT    NOT NULL,
    serial      TEXT    NOT NULL,
    state       INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    body        BLOB    NOT NULL
);
CREATE INDEX reconciliation_repairs_serial ON reconciliation_repairs (serial);
CREATE INDEX reconciliation_repairs_newest ON reconciliation_repairs (create_time, repair_id);
