-- Alarms and faults that have changed since coordinators were told. `content` is a serialised
-- gateway.api.coordinator.v1.NetworkEvent, which names no customer.
CREATE TABLE network_events_to_tell (
    event_id TEXT    NOT NULL PRIMARY KEY,
    version  INTEGER NOT NULL,
    content  BLOB    NOT NULL
);

-- Problems of the network, as coordinators have told last. `content` is a serialised ProblemHeader.
CREATE TABLE followed_problems (
    problem_id  TEXT    NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL,
    start_time  INTEGER NOT NULL,
    end_time    INTEGER,            -- NULL while it is in progress
    merged_into TEXT    NOT NULL,   -- the problem that it is a part of; empty for none
    follow_time INTEGER NOT NULL,
    customers   INTEGER NOT NULL,   -- of this region, when they were counted last
    to_count    INTEGER NOT NULL,   -- how often that changed since coordinators were told of it; 0: they know
    content     BLOB    NOT NULL
);
CREATE INDEX followed_problems_start ON followed_problems (start_time, problem_id);
CREATE INDEX followed_problems_to_count ON followed_problems (problem_id) WHERE to_count > 0;
CREATE INDEX followed_problems_merged ON followed_problems (merged_into) WHERE merged_into <> '';

-- Which network services a line uses. The line is named by its id, so that nothing here tells of a number.
CREATE TABLE line_services (
    product_id TEXT NOT NULL,
    service    TEXT NOT NULL,
    PRIMARY KEY (product_id, service)
);
CREATE INDEX line_services_service ON line_services (service, product_id);
