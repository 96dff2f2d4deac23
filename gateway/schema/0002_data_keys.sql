-- The key of each subject (a customer, a number, an order), wrapped by a key of the region that stands in no database.
-- Whoever destroys the row makes everything that was sealed under it unreadable.
CREATE TABLE data_keys (
    subject    TEXT NOT NULL PRIMARY KEY,
    key_id     TEXT NOT NULL,               -- names the key for ever: another one of the same subject has another
    wrapped    BLOB NOT NULL,
    wrapped_by TEXT NOT NULL                -- which of the region's keys wraps it
);
CREATE INDEX data_keys_wrapped_by ON data_keys (wrapped_by, subject);
CREATE UNIQUE INDEX data_keys_id ON data_keys (key_id);
