-- The money that orders of a day bring on a region without a review, by the region that took them in and the operator
-- system; an empty operator stands for all of them.
CREATE TABLE exposure_totals (
    day      TEXT   NOT NULL,   -- YYYY-MM-DD in the time zone of this region
    origin   TEXT   NOT NULL,
    operator TEXT   NOT NULL,
    amount   INTEGER NOT NULL,
    PRIMARY KEY (day, origin, operator)
);

-- The part of an order that may still end without effect, and then gives it back.
CREATE TABLE exposures (
    order_id TEXT   NOT NULL,
    operator TEXT   NOT NULL,
    origin   TEXT   NOT NULL,
    day      TEXT   NOT NULL,
    amount   INTEGER NOT NULL,
    PRIMARY KEY (order_id, operator)
);
CREATE INDEX exposures_day ON exposures (day);
