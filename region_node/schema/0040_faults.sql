-- Faults that were reported here, are here, or are of a number of this region. `body` is the fault, sealed under the key of
-- `fault/<id>`; the other columns are for finding it and tell nothing about a person.
CREATE TABLE faults (
    fault_id        TEXT    NOT NULL PRIMARY KEY,
    fault_number    INTEGER NOT NULL,   -- counts those that were reported here; 0 for those of others
    handling_region TEXT    NOT NULL,
    owner_region    TEXT    NOT NULL,
    home_region     TEXT    NOT NULL,   -- empty where no number was said
    operator        TEXT    NOT NULL,
    number_index    TEXT    NOT NULL,   -- keyed hash of the number; empty for none
    severity        INTEGER NOT NULL,
    state           INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    creation_date   INTEGER NOT NULL,
    due             INTEGER,            -- of the repair; NULL once nothing is due
    problem         TEXT    NOT NULL,   -- of the federation, to which it belongs; empty for none
    traceparent     TEXT    NOT NULL,
    body            BLOB    NOT NULL
);
CREATE INDEX faults_date ON faults (creation_date, fault_id);
CREATE INDEX faults_number ON faults (number_index, creation_date) WHERE number_index <> '';
CREATE INDEX faults_reported ON faults (fault_number);
CREATE INDEX faults_due ON faults (due, fault_id) WHERE due IS NOT NULL;
CREATE INDEX faults_problem ON faults (problem, fault_id) WHERE problem <> '';

-- Every change of a fault, in the order of commits.
CREATE TABLE fault_events (
    sequence INTEGER NOT NULL PRIMARY KEY,
    fault_id TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    time     INTEGER NOT NULL
);
CREATE INDEX fault_events_fault ON fault_events (fault_id, sequence);

-- Rent that this region gave back to its customers: once for each outage of a fault.
CREATE TABLE fault_waivers (
    fault_id     TEXT    NOT NULL,
    outage       INTEGER NOT NULL,
    number_index TEXT    NOT NULL,
    start_time   INTEGER NOT NULL,
    end_time     INTEGER NOT NULL,
    amount       INTEGER NOT NULL,   -- minor units; 0 where the line has no rent
    time         INTEGER NOT NULL,
    PRIMARY KEY (fault_id, outage)
);
CREATE INDEX fault_waivers_number ON fault_waivers (number_index, start_time);

-- The highest number of a fault that was purged, from which the next one is numbered.
CREATE TABLE purged_faults (
    id           INTEGER NOT NULL PRIMARY KEY,
    fault_number INTEGER NOT NULL
);
