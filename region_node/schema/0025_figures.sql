-- What is counted of each complaint that this region has, without anything about a person: it stays when the complaint
-- itself becomes unreadable, so that those of erased customers are counted like all others.
CREATE TABLE complaint_figures (
    docket        TEXT    NOT NULL PRIMARY KEY,
    owner_region  TEXT    NOT NULL,
    category      TEXT    NOT NULL,   -- empty where nobody has said yet what it is about
    department_zh TEXT    NOT NULL,
    department_en TEXT    NOT NULL,
    is_item       INTEGER NOT NULL,   -- 1 for a work item of a case, which is counted with its case
    creation_date INTEGER NOT NULL,
    state         INTEGER NOT NULL,
    due           INTEGER,            -- of the resolution, also once it is there
    resolved      INTEGER,            -- when the resolution that stands was proposed
    level         INTEGER NOT NULL,
    repeats       INTEGER NOT NULL,
    refusals      INTEGER NOT NULL,
    contacts      INTEGER NOT NULL,   -- how often the customer had to come again: was asked, asked for haste, refused
    rating        INTEGER NOT NULL    -- 1 to 5; 0 where it was not said
);
CREATE INDEX complaint_figures_month ON complaint_figures (owner_region, creation_date, docket);
CREATE INDEX complaint_figures_unclassified ON complaint_figures (docket) WHERE category = '';
CREATE INDEX complaints_raised ON complaints (creation_date, docket) WHERE level >= 2;
