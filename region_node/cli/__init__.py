"""The command `region-node`."""
