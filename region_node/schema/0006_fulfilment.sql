-- Orders that the region's own system is carrying out, until it has, or has undone them.
CREATE TABLE fulfilment_tasks (
    order_id TEXT    NOT NULL PRIMARY KEY,
    phase    INTEGER NOT NULL,   -- what the system is asked next: 1 check, 2 provision, 3 test, 4 undo
    attempts INTEGER NOT NULL,   -- calls so far, in all phases: an answer counts for the last one alone
    failures INTEGER NOT NULL,   -- calls without an answer since the last one that had one
    asked_by INTEGER NOT NULL,   -- the number of the process that asked last; that of none before the first call
    due      INTEGER,            -- when it is asked again; NULL while the region's staff have to decide
    results  TEXT    NOT NULL,   -- what came out so far, JSON
    problem  TEXT    NOT NULL    -- what went wrong last, for staff
);
CREATE INDEX fulfilment_tasks_due ON fulfilment_tasks (due);
