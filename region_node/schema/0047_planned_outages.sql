-- Planned outages of this region's network. `body` is a serialised gateway.api.region.v1.PlannedOutage; no person is in it
-- but the member of staff who announced it.
CREATE TABLE planned_outages (
    outage_id  TEXT    NOT NULL PRIMARY KEY,
    start_time INTEGER NOT NULL,
    end_time   INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    body       BLOB    NOT NULL
);
CREATE INDEX planned_outages_start ON planned_outages (start_time, outage_id);
CREATE INDEX planned_outages_end ON planned_outages (end_time, outage_id);
