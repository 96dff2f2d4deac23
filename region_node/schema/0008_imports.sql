-- How far the node is with a file of customers, by the hash of the file and its map.
CREATE TABLE imports (
    sha256    BLOB    NOT NULL PRIMARY KEY,
    lines     INTEGER NOT NULL,
    last_line INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    existing  INTEGER NOT NULL,
    rejected  INTEGER NOT NULL,
    time      INTEGER NOT NULL
);

-- The lines that were not taken: whoever begins again is told of those of before.
CREATE TABLE import_rejections (
    sha256     BLOB    NOT NULL,
    number     INTEGER NOT NULL,
    reason     INTEGER NOT NULL,
    parameters TEXT    NOT NULL,   -- of the reason's text, JSON
    PRIMARY KEY (sha256, number)
);
