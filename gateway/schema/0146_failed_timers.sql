-- Timers, and rows that fall due, whose handler failed. Each has `retry_time` as its due time until its next attempt. A row
-- here whose timer has another due time, or is gone, means nothing any more.
CREATE TABLE failed_timers (
    timer_id   TEXT    NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    is_row     INTEGER NOT NULL,           -- 1 for a row of another table, 0 for a timer
    due_time   INTEGER NOT NULL,           -- of the attempt that failed first
    fail_time  INTEGER NOT NULL,           -- of the first failure
    attempts   INTEGER NOT NULL,           -- that have failed
    retry_time INTEGER NOT NULL
);
CREATE INDEX failed_timers_retry ON failed_timers (retry_time, timer_id);
