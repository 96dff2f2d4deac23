"""Complaints from anywhere, answered in time or raised until they are (specification 2.3 and 10.4)."""
