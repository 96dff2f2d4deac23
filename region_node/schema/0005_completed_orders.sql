-- How many orders of a business were completed on a day (since 1970-01-01 UTC), by how long they took: milliseconds,
-- rounded up to two digits, so that the rows of a day stay few.
CREATE TABLE completed_orders (
    business TEXT    NOT NULL,
    day      INTEGER NOT NULL,
    took     INTEGER NOT NULL,
    orders   INTEGER NOT NULL,
    PRIMARY KEY (business, day, took)
);
