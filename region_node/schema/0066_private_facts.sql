-- What only this region needs of a complaint stands in no body. Bodies of before hold it until the node has moved it.

-- The keyed digest of the line from which a complaint was imported; empty once the complaint was made unreadable.
ALTER TABLE complaints ADD COLUMN imported_digest BLOB;
CREATE INDEX complaints_with_a_line ON complaints (ticket_id) WHERE external_index IS NOT NULL AND imported_digest IS NULL;

-- How many notes, refusals, reminders and attachments of its case the region of a work item was told.
CREATE TABLE work_items_told (
    ticket_id   TEXT    NOT NULL PRIMARY KEY,
    notes       INTEGER NOT NULL,   -- below zero while the body of the case still has the counts
    refusals    INTEGER NOT NULL,
    expedites   INTEGER NOT NULL,
    attachments INTEGER NOT NULL
);
CREATE INDEX work_items_to_count ON work_items_told (ticket_id) WHERE notes < 0;
INSERT INTO work_items_told (ticket_id, notes, refusals, expedites, attachments)
    SELECT ticket_id, -1, 0, 0, 0 FROM complaints WHERE case_id <> '';
