-- Numbers for whose orders administrators have searched: the keyed hash, and the hour of the last search, in hours since 1970.
-- The rows of a day bound the searches of all coordinators together.
CREATE TABLE order_searches (
    number_index TEXT    NOT NULL PRIMARY KEY,
    hour         INTEGER NOT NULL
);
