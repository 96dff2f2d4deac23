-- The joint orders that this region has led to an end, in the order of commits: for surveys and for the scorecard.
CREATE TABLE joint_order_ends (
    sequence       INTEGER NOT NULL PRIMARY KEY,
    joint_order_id TEXT    NOT NULL,
    end_time       INTEGER NOT NULL,
    is_late        INTEGER NOT NULL,   -- 1 behind the promised time
    is_partial     INTEGER NOT NULL    -- 1 where a part was not possible
);
CREATE INDEX joint_order_ends_time ON joint_order_ends (end_time);
