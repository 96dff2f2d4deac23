-- Planned outages as the regions hold them. `content` is a serialised gateway.api.coordinator.v1.PlannedWindow.
CREATE TABLE planned_windows (
    window_id TEXT NOT NULL PRIMARY KEY,
    content   BLOB NOT NULL
);
