-- When parts of the network were, or will be, out, as the regions tell that run them: services that several leave without
-- a way only together are found from it.
CREATE TABLE part_outages (
    source        TEXT    NOT NULL,            -- `<region>/<fault or planned outage>/<key>`
    start_time    INTEGER NOT NULL,
    end_time      INTEGER NOT NULL,
    region        TEXT    NOT NULL,
    sites         TEXT    NOT NULL,            -- ids, apart by spaces
    links         TEXT    NOT NULL,            -- ids, apart by spaces
    cause         INTEGER NOT NULL,
    announce_time INTEGER,                     -- of a planned one; NULL for an emergency
    version       INTEGER NOT NULL,
    withdrawn     INTEGER NOT NULL,
    PRIMARY KEY (source, start_time)
);
CREATE INDEX part_outages_end ON part_outages (end_time, source);
