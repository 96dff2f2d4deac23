"""Alarms and measurements of the network: taken in on streams, kept in little room, held against thresholds."""
