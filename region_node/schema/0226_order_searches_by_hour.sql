-- Numbers for whose orders administrators have searched: each hour since 1970 in which one did, the keyed hash, and the first
-- administrator of that hour; empty for a search that a version before this one has counted. A search by a wrong clock has a
-- row of its own, and takes none from the true hour. Only versions before this one use order_searches.
CREATE TABLE order_searches_by_hour (
    hour          INTEGER NOT NULL,
    number_index  TEXT    NOT NULL,
    administrator TEXT    NOT NULL,
    PRIMARY KEY (hour, number_index)
);
CREATE INDEX order_searches_by_hour_number ON order_searches_by_hour (number_index);
INSERT INTO order_searches_by_hour (hour, number_index, administrator) SELECT hour, number_index, '' FROM order_searches;
