-- Renewals of nodes' certificates. `content` is a serialised gateway.api.coordinator.v1.Renewal.
CREATE TABLE renewals (
    renewal_id TEXT NOT NULL PRIMARY KEY,
    content BLOB NOT NULL
);
