-- From before which instant commands are forgotten: one that was made before it and is not in the inbox may have been acted
-- on, and is refused. One row; it only moves on.
CREATE TABLE inbox_forgotten (
    id          INTEGER NOT NULL PRIMARY KEY,
    create_time INTEGER NOT NULL
);
