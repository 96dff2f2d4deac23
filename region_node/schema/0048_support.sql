-- Support requests that were opened here, or are here. `body` is the support request, sealed under the key of `support/<id>`;
-- the other columns are for finding it and tell nothing about a person.
CREATE TABLE support_requests (
    support_id     TEXT    NOT NULL PRIMARY KEY,
    support_number INTEGER NOT NULL,   -- counts those that were opened here; 0 for those of others
    opening_region TEXT    NOT NULL,
    owner_region   TEXT    NOT NULL,
    operator       TEXT    NOT NULL,
    number_index   TEXT    NOT NULL,   -- keyed hash of the number
    state          INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    creation_date  INTEGER NOT NULL,
    changed        INTEGER NOT NULL,   -- when it was stored last
    traceparent    TEXT    NOT NULL,
    body           BLOB    NOT NULL
);
CREATE INDEX support_requests_date ON support_requests (creation_date, support_id);
CREATE INDEX support_requests_number ON support_requests (number_index, creation_date);
CREATE INDEX support_requests_opened ON support_requests (support_number);

-- The highest number of a support request that was purged, from which the next one is numbered.
CREATE TABLE purged_support_requests (
    id             INTEGER NOT NULL PRIMARY KEY,
    support_number INTEGER NOT NULL
);

-- Experts of this region: of the person only the staff id.
CREATE TABLE experts (
    staff_id TEXT    NOT NULL PRIMARY KEY,
    time     INTEGER NOT NULL   -- when they were entered, or entered anew
);
CREATE TABLE expert_skills (
    staff_id TEXT NOT NULL,
    skill    TEXT NOT NULL,
    PRIMARY KEY (staff_id, skill)
);
CREATE INDEX expert_skills_skill ON expert_skills (skill, staff_id);
CREATE TABLE expert_sites (
    staff_id TEXT NOT NULL,
    site     TEXT NOT NULL,
    PRIMARY KEY (staff_id, site)
);
CREATE INDEX expert_sites_site ON expert_sites (site, staff_id);

-- Parts in store in this region.
CREATE TABLE spares (
    part_number TEXT    NOT NULL,
    site        TEXT    NOT NULL,
    model       TEXT    NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (part_number, site)
);
