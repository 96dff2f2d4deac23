-- The scopes of operator systems in force, and the file that the first start took over: a row once it did.
CREATE TABLE operator_scopes (
    operator TEXT NOT NULL PRIMARY KEY,
    body     BLOB NOT NULL   -- OperatorScope of the contract
);
CREATE TABLE operator_scope_files (
    sha256 TEXT NOT NULL PRIMARY KEY
);
