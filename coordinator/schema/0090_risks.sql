-- Risks of the federation. `content` is a serialised gateway.api.coordinator.v1.Risk.
CREATE TABLE risks (
    risk_id TEXT NOT NULL PRIMARY KEY,
    content BLOB NOT NULL
);
