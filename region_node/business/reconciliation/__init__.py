"""The nightly comparison of two regions' records, and the repair of what differs."""
