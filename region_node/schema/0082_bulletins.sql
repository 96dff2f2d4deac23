-- Bulletins that this region published or receives. `body` is the bulletin, sealed under the key of `bulletin/<id>`; the other
-- columns are for finding it and name nobody.
CREATE TABLE bulletins (
    bulletin_id     TEXT    NOT NULL PRIMARY KEY,
    bulletin_number INTEGER NOT NULL,   -- counts those that were published here; 0 for those of others
    origin_region   TEXT    NOT NULL,
    operator        TEXT    NOT NULL,
    number_index    TEXT    NOT NULL,   -- empty: a bulletin is about no number
    state           INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    create_time     INTEGER NOT NULL,
    start_time      INTEGER NOT NULL,   -- of the validity
    end_time        INTEGER NOT NULL,
    traceparent     TEXT    NOT NULL,
    body            BLOB    NOT NULL
);
CREATE INDEX bulletins_date ON bulletins (create_time, bulletin_id);
CREATE INDEX bulletins_published ON bulletins (bulletin_number);

-- The highest number of a bulletin that was purged, from which the next one is numbered.
CREATE TABLE purged_bulletins (
    id              INTEGER NOT NULL PRIMARY KEY,
    bulletin_number INTEGER NOT NULL
);

-- The first reading of a bulletin by each member of staff: of this region's own, and of all regions for its own bulletins.
CREATE TABLE bulletin_reads (
    bulletin_id TEXT    NOT NULL,
    region      TEXT    NOT NULL,
    staff_id    TEXT    NOT NULL,
    read_time   INTEGER NOT NULL,
    PRIMARY KEY (bulletin_id, region, staff_id)
);
