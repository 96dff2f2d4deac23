"""What a kind of record implements so that old records are purged: the port, the terms, and the report of a night."""
