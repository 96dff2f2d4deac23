"""Work of an administrator on a database: to bring it up to the schema of a version, and to move it to PostgreSQL."""
