"""The parts of a purge of old records: the port of a kind, the terms, and the nightly report."""
