-- The group that a complaint belongs to at its responsible region: `<region>/<category>/<docket of the first>`; empty for
-- none. It names no person.
ALTER TABLE complaints ADD COLUMN group_id TEXT NOT NULL DEFAULT '';
CREATE INDEX complaints_group ON complaints (group_id, creation_date) WHERE group_id <> '';
CREATE INDEX complaints_grouped ON complaints (owner_region, category, creation_date) WHERE group_id <> '';
CREATE INDEX complaints_of_category ON complaints (owner_region, category, creation_date);
