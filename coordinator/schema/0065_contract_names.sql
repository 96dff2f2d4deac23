-- Columns and tables have the names of the contract. `content` is a serialised gateway.api.coordinator.v1.PlannedOutageHeader.
ALTER TABLE planned_windows RENAME COLUMN window_id TO planned_outage_id;
ALTER TABLE planned_windows RENAME TO planned_outages;
