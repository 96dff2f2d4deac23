-- Cases of complaints, as the regions that lead them tell. `content` is a serialised gateway.api.region.v1.CaseHeader.
CREATE TABLE cases (
    docket   TEXT    NOT NULL PRIMARY KEY,
    version  INTEGER NOT NULL,
    ended    INTEGER,                     -- NULL while it has not
    content  BLOB    NOT NULL
);
CREATE INDEX cases_ended ON cases (ended) WHERE ended IS NOT NULL;
