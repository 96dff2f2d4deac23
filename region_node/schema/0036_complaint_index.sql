-- Complaints about this region's numbers that other regions took in, as those tell: what a repeat is looked up in. The
-- number stands as its keyed index, and no word of a complaint is here.
CREATE TABLE complaint_index (
    docket        TEXT    NOT NULL PRIMARY KEY,   -- of a complaint or a case, never of a work item
    number_index  TEXT    NOT NULL,
    category      TEXT    NOT NULL,
    creation_date INTEGER NOT NULL,
    withdrawn     INTEGER NOT NULL DEFAULT 0,     -- 1 where nothing repeats it any more
    traceparent   TEXT    NOT NULL                -- to which what is told of it belongs
);
CREATE INDEX complaint_index_of_number ON complaint_index (number_index, category, creation_date);
CREATE INDEX complaint_index_in_order ON complaint_index (creation_date, docket);
