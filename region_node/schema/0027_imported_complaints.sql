-- `external_index`: a keyed index of the docket in the system from which a complaint was imported; NULL for one that was
-- filed here. The same docket is imported once while its complaint is kept, also after that was made unreadable.
ALTER TABLE complaints ADD COLUMN external_index TEXT;
CREATE UNIQUE INDEX complaints_imported ON complaints (external_index) WHERE external_index IS NOT NULL;
