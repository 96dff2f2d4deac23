-- Lists of imports, the last changed first.
CREATE INDEX imports_by_time ON imports (time, sha256);
