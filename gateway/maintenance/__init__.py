"""The work of an administrator on one member: its diagnosis, its schema, its move to PostgreSQL, its keys."""
