-- The key by which the coordinator knows the heads of its audit chain again that it has told regions. It stands beside the
-- chain, so that an older copy of the database has it, too.
CREATE TABLE head_keys (
    number  INTEGER NOT NULL PRIMARY KEY, -- 1: there is one
    content BLOB    NOT NULL
);
