-- The certificates of the member of staff who proposed a repair, PEM, with those of their issuers, as the proposing region tells
-- them: once one of them is revoked, nobody confirms the repair. No row where a version before this one wrote the repair, or an
-- identity provider has vouched for the person.
CREATE TABLE repair_proposers (
    repair_id    TEXT NOT NULL PRIMARY KEY,
    certificates BLOB NOT NULL
);
