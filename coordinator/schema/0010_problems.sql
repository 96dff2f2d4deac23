-- Alarms and faults, as regions tell of them. `content` is a serialised gateway.api.coordinator.v1.NetworkEvent.
CREATE TABLE network_events (
    event_id TEXT    NOT NULL PRIMARY KEY,
    version  INTEGER NOT NULL,
    content  BLOB    NOT NULL
);

-- Problems that were found behind them. `content` is a serialised gateway.api.coordinator.v1.Problem.
CREATE TABLE problems (
    problem_id TEXT NOT NULL PRIMARY KEY,
    content    BLOB NOT NULL
);

-- Counts the changes of all problems, from the first on: who decides by what it has read finds out whether that is still so.
CREATE TABLE problem_changes (
    only_one INTEGER NOT NULL PRIMARY KEY,   -- 1
    changes  INTEGER NOT NULL
);

-- The last version of each problem that a region has taken in.
CREATE TABLE problem_followers (
    problem_id TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    PRIMARY KEY (problem_id, region)
);
