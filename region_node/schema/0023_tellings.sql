-- What is told of each level that this region has raised a complaint to: a row for each sink. `content` names no person.
CREATE TABLE complaint_tellings (
    docket      TEXT    NOT NULL,
    level       INTEGER NOT NULL,
    sink        TEXT    NOT NULL,
    content     BLOB    NOT NULL,
    create_time INTEGER NOT NULL,
    due         INTEGER NOT NULL,   -- when it is tried, or tried again
    attempts    INTEGER NOT NULL,
    told_time   INTEGER,            -- NULL while it waits
    PRIMARY KEY (docket, level, sink)
);
CREATE INDEX complaint_tellings_due ON complaint_tellings (sink, due, docket, level) WHERE told_time IS NULL;
