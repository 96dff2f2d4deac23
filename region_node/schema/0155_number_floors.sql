-- Running numbers up to which a lost part of this database may have given them: they are not given again. By the name of
-- the table whose records have them.
CREATE TABLE number_floors (
    records TEXT    NOT NULL PRIMARY KEY,
    number  INTEGER NOT NULL
);
