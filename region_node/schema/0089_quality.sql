-- For the scorecard: when an order was completed, whether that was later than promised, and whether a review had returned
-- it; null until then, and for orders of versions without these columns.
ALTER TABLE orders ADD COLUMN completion_time INTEGER;
ALTER TABLE orders ADD COLUMN is_late INTEGER;
ALTER TABLE orders ADD COLUMN is_returned INTEGER;
CREATE INDEX orders_completed ON orders (completion_time, order_id) WHERE completion_time IS NOT NULL;

-- Random samples of handled orders and complaints, which supervisors judge.
CREATE TABLE supervision_samples (
    sample_id   TEXT    NOT NULL PRIMARY KEY,
    month       TEXT    NOT NULL,   -- YYYY-MM of the records
    kind        INTEGER NOT NULL,
    seed        TEXT    NOT NULL,
    population  INTEGER NOT NULL,
    staff_id    TEXT    NOT NULL,
    create_time INTEGER NOT NULL
);
CREATE INDEX supervision_samples_newest ON supervision_samples (create_time, sample_id);
CREATE INDEX supervision_samples_month ON supervision_samples (month, sample_id);

-- The records of a sample. `failed` has codes of criteria, apart by spaces.
CREATE TABLE supervision_records (
    sample_id  TEXT    NOT NULL,
    record_id  TEXT    NOT NULL,
    stratum    TEXT    NOT NULL,
    failed     TEXT    NOT NULL,
    judge      TEXT    NOT NULL,   -- empty before the judgement
    judge_time INTEGER,
    PRIMARY KEY (sample_id, record_id)
);

-- The figure of the scorecard that an improvement action is for; 0 for one against a cause.
ALTER TABLE improvement_actions ADD COLUMN figure INTEGER NOT NULL DEFAULT 0;
