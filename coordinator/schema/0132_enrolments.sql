-- Enrolments of regions' nodes. `content` is a serialised gateway.api.coordinator.v1.Enrolment.
CREATE TABLE enrolments (
    enrolment_id TEXT NOT NULL PRIMARY KEY,
    content BLOB NOT NULL
);
