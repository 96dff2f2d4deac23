-- A work item of a case is a complaint of its own; `parent` is the docket of the case, and empty for what is no item.
ALTER TABLE complaints ADD COLUMN parent TEXT NOT NULL DEFAULT '';
CREATE INDEX complaints_items ON complaints (parent, docket) WHERE parent <> '';

-- Cases that this region leads and that have changed since coordinators were told.
CREATE TABLE cases_to_tell (
    docket  TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
);
