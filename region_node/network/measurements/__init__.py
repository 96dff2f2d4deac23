"""Alarms and measurements of the network: received on streams, stored compactly, compared with thresholds."""
