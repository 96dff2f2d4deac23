-- The request id by which a caller filed a complaint; NULL for an imported one, a work item, and one of an earlier version.
ALTER TABLE complaints ADD COLUMN request_id TEXT;
CREATE INDEX complaints_requested ON complaints (request_id) WHERE request_id IS NOT NULL;
