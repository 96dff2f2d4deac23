"""Anomalies: what one operator system, member of staff or region does beyond its usual measure, for people at home."""
