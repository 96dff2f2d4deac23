-- Alerts of administrators' searches for the orders of numbers, by the hour since 1970 and the bound that was met: `hour` or
-- `day`. A region where no sink receives alerts has them, too.
CREATE TABLE order_search_alerts (
    hour  INTEGER NOT NULL,
    bound TEXT    NOT NULL,
    PRIMARY KEY (hour, bound)
);
