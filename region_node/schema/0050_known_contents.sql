-- By what content a line was taken over: a keyed digest, NULL for lines of before and for those that were opened here.
ALTER TABLE products ADD COLUMN taken_over_content TEXT;

-- The items of a stream of a system that were taken last, a piece in a row: 8 bytes of a digest for each item.
CREATE TABLE network_stream_items (
    stream        TEXT    NOT NULL,
    last_sequence INTEGER NOT NULL,
    digests       BLOB    NOT NULL,
    PRIMARY KEY (stream, last_sequence)
);
