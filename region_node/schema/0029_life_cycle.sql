-- The highest number of a complaint that was purged, so that no docket is given twice: one row, once there was one.
CREATE TABLE purged_dockets (
    id            INTEGER NOT NULL PRIMARY KEY,   -- 1
    docket_number INTEGER NOT NULL
);

-- In what order the purge looks.
CREATE INDEX complaint_events_docket ON complaint_events (docket, time);
CREATE INDEX sharing_requests_time ON sharing_requests (request_time, subject);
CREATE INDEX products_terminated ON products (customer_id) WHERE status = 4;
