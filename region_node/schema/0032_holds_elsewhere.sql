-- What other regions were told to keep of this region's customers under a legal hold: an order, a complaint or a document.
CREATE TABLE hold_tellings (
    subject TEXT    NOT NULL,
    region  TEXT    NOT NULL,
    version INTEGER NOT NULL,                -- how often that region was told
    until   INTEGER,                         -- what it was told; NULL for until it is released
    PRIMARY KEY (subject, region)
);

-- What other regions have told this one to keep.
CREATE TABLE holds_of_others (
    subject TEXT    NOT NULL,
    origin  TEXT    NOT NULL,
    version INTEGER NOT NULL,
    until   INTEGER,                         -- NULL for until it is released; past once it was
    PRIMARY KEY (subject, origin)
);
